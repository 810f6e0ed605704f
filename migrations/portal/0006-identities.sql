-- Which database each course database is, and which portal has bound it: by these, copies
-- of either are told from the original.
-- depends: 0002-databases

ALTER TABLE pyrepl.database ADD identity text UNIQUE, ADD portal text;
COMMENT ON COLUMN pyrepl.database.identity IS
    'System identifier/database oid of the course database, as seen by the administrator and over the link. NULL until it is refreshed where it was registered by an older version.';
COMMENT ON COLUMN pyrepl.database.portal IS
    'What this portal was when it bound the course database last. A copy of the portal is another.';

ALTER TABLE pyrepl.settings ADD forgotten integer NOT NULL DEFAULT 0;
COMMENT ON COLUMN pyrepl.settings.forgotten IS
    'Course databases up to this number belong to the portal of which this one is a copy.';
