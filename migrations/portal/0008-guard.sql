-- Whether a course database keeps others from writing what the portal owns.
-- depends: 0002-databases

ALTER TABLE pyrepl.database ADD guard text NOT NULL DEFAULT 'reject'
    CHECK (guard IN ('reject', 'warn', 'off'));
COMMENT ON COLUMN pyrepl.database.guard IS
    'What its guard triggers do when somebody else writes a replicated column.';
