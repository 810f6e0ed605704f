-- Changes not yet routed, dossiers to be sent, and what a crash may take: marks that
-- keep polls off dead rows, and the epoch of immediate pushes.
-- depends: 0002-databases

CREATE TABLE pyrepl.change (
    xid xid8 NOT NULL DEFAULT pg_current_xact_id(),
    users bigint[],
    courses text[],
    database_id integer,
    priority smallint NOT NULL DEFAULT 0,
    at timestamptz NOT NULL DEFAULT clock_timestamp(),
    immediate boolean NOT NULL DEFAULT false
);
-- To compress an array of 100,000 ids takes a writer 0.1 s, and route undoes it at once.
ALTER TABLE pyrepl.change ALTER users SET STORAGE EXTERNAL, ALTER courses SET STORAGE EXTERNAL;
CREATE INDEX change_xid ON pyrepl.change (xid);
COMMENT ON TABLE pyrepl.change IS
    'What route has still to fan out. Without courses: these users (none named: all). With both: (user, course) pairs, parallel. With a database: for that one alone.';

CREATE TABLE pyrepl.outbox (
    id bigint GENERATED ALWAYS AS IDENTITY,
    database_id integer NOT NULL,
    user_id bigint NOT NULL,
    priority smallint NOT NULL CHECK (priority IN (0, 1)),
    at timestamptz NOT NULL
);
-- Each index has a condition that is always true, and that only its own looks state: those
-- at the head of a queue say id > 0, those for users have a user. Once a vacuum has met an
-- outbox of dead rows only, the planner takes either index for as good as the other. By the
-- wrong one, a poll reads all that was ever delivered, or each pair routed all that waits.
CREATE INDEX outbox_claim ON pyrepl.outbox (database_id, priority, id) WHERE id > 0;
CREATE INDEX outbox_coalesce ON pyrepl.outbox (database_id, priority, user_id, id)
    WHERE user_id IS NOT NULL;
COMMENT ON TABLE pyrepl.outbox IS
    '(database, user) pairs whose dossier must be sent. Only route adds, under its lock, so ids commit in order.';

CREATE TABLE pyrepl.retry (
    database_id integer NOT NULL REFERENCES pyrepl.database ON DELETE CASCADE,
    user_id bigint NOT NULL,
    attempts integer NOT NULL,
    due_at timestamptz,
    since timestamptz NOT NULL DEFAULT now(),
    sqlstate text NOT NULL,
    message text NOT NULL,
    hint text,
    id bigint GENERATED ALWAYS AS IDENTITY UNIQUE,
    failed_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (database_id, user_id)
);
CREATE INDEX retry_due ON pyrepl.retry (database_id, due_at);
COMMENT ON TABLE pyrepl.retry IS
    'Dossiers that failed alone. One without due_at is a dead letter: it waits for a newer change, or for an operator.';
COMMENT ON COLUMN pyrepl.retry.id IS
    'The number of the dead letter, should it become one.';

CREATE UNLOGGED TABLE pyrepl.route_mark (
    singleton boolean PRIMARY KEY DEFAULT true CHECK (singleton),
    identity text NOT NULL,
    snapshot pg_snapshot NOT NULL,
    saved_at timestamptz NOT NULL
);
COMMENT ON TABLE pyrepl.route_mark IS
    'Snapshot of the last complete scan of change: what it saw was taken. A hint, gone after a crash.';

CREATE UNLOGGED TABLE pyrepl.outbox_mark (
    database_id integer NOT NULL,
    priority smallint NOT NULL,
    identity text NOT NULL,
    id bigint NOT NULL,
    saved_at timestamptz NOT NULL,
    PRIMARY KEY (database_id, priority)
);
COMMENT ON TABLE pyrepl.outbox_mark IS
    'No row of the outbox up to this id waits. A hint, gone after a crash.';

CREATE UNLOGGED TABLE pyrepl.epoch (
    identity text NOT NULL,
    value uuid NOT NULL DEFAULT gen_random_uuid()
);
COMMENT ON TABLE pyrepl.epoch IS
    'Goes with any crash, promotion or restore: after one, the same transaction number may be another transaction. Several rows where several writers were the first: none waits for another.';
