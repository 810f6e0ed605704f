-- Commands that were begun at a course database and have not come to an end.
-- depends: 0002-databases

ALTER TABLE pyrepl.database ADD unfinished text[] NOT NULL DEFAULT '{}';
COMMENT ON COLUMN pyrepl.database.unfinished IS
    'Noted before the course database is touched, and taken away when both sides have it: left behind only by what was interrupted. To be run again.';
