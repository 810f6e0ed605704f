-- What a server made of a view: another version of it writes the same another way.
-- depends: 0009-generations

ALTER TABLE pyrepl.object ADD server integer;
ALTER TABLE pyrepl.object ADD definition text;
COMMENT ON COLUMN pyrepl.object.server IS
    'The major version of the server on which it was installed.';
COMMENT ON COLUMN pyrepl.object.definition IS
    'Of a view, as that server wrote it then.';
