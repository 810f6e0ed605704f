-- Whether others are kept from writing what the portal owns.
-- depends: 0001-binding

ALTER TABLE pyrepl.binding ADD guard text NOT NULL DEFAULT 'reject'
    CHECK (guard IN ('reject', 'warn', 'off'));
COMMENT ON COLUMN pyrepl.binding.guard IS
    'What the guard triggers do when somebody else writes a replicated column.';
