-- Immediate delivery: which changes are tried in the writer's COMMIT, and the epoch of
-- the receipts that such pushes leave at the course.
-- depends: 0001-configuration 0002-databases 0003-queues

ALTER TABLE pyrepl.settings ADD immediate boolean NOT NULL DEFAULT false;
COMMENT ON COLUMN pyrepl.settings.immediate IS
    'Whether some database has immediate delivery: capture then asks for it.';

ALTER TABLE pyrepl.change ADD immediate boolean NOT NULL DEFAULT false;

ALTER TABLE pyrepl.database
    DROP CONSTRAINT database_delivery_check,
    ADD CONSTRAINT database_delivery_check CHECK (delivery IN ('queued', 'immediate'));

ALTER TABLE pyrepl.health
    ADD settle_at timestamptz,
    ADD stalled_at timestamptz;
COMMENT ON COLUMN pyrepl.health.settle_at IS
    'When deliver looks at the receipts of immediate pushes next; NULL where there were none ever.';
COMMENT ON COLUMN pyrepl.health.stalled_at IS
    'When deliver last found that immediate pushes do not come to an end.';

CREATE UNLOGGED TABLE pyrepl.epoch (
    identity text NOT NULL,
    value uuid NOT NULL DEFAULT gen_random_uuid()
);
COMMENT ON TABLE pyrepl.epoch IS
    'Goes with any crash, promotion or restore: after one, the same transaction number may be another transaction. Several rows where several writers were the first: none waits for another.';
