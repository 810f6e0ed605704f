-- Dead letters that can be named, and holders of unique values that travel together.
-- depends: 0002-databases 0003-queues

ALTER TABLE pyrepl.retry
    ADD id bigint GENERATED ALWAYS AS IDENTITY UNIQUE,
    ADD failed_at timestamptz NOT NULL DEFAULT clock_timestamp();
COMMENT ON COLUMN pyrepl.retry.id IS
    'The number of the dead letter, should it become one.';

ALTER TABLE pyrepl.health
    ADD companions bigint[] NOT NULL DEFAULT '{}',
    ADD holders bigint[] NOT NULL DEFAULT '{}';
COMMENT ON COLUMN pyrepl.health.companions IS
    'Users sent along with intent: their copies hold unique values that its dossier needs.';
COMMENT ON COLUMN pyrepl.health.holders IS
    'The copies that the last failure named as holders of a unique value.';
