-- When a course database last had users sent again.
-- depends: 0007-unfinished

ALTER TABLE pyrepl.health ADD again_at timestamptz;
COMMENT ON COLUMN pyrepl.health.again_at IS
    'When the course last named users to be sent again: it is heard once a second.';
