-- What fails on the portal itself, apart from courses and dossiers; and tables without a
-- key get what a publication of all tables asks for, or nothing could be deleted from them.
-- depends: 0011-missed

CREATE TABLE pyrepl.own_failure (
    database_id integer PRIMARY KEY,
    sqlstate text NOT NULL,
    message text NOT NULL,
    hint text,
    since timestamptz NOT NULL DEFAULT clock_timestamp(),
    failures integer NOT NULL DEFAULT 1
);
COMMENT ON TABLE pyrepl.own_failure IS
    'Failures of this portal: of delivery to a database, or of routing (0). Gone when it goes well again.';

ALTER TABLE pyrepl.change REPLICA IDENTITY FULL;
ALTER TABLE pyrepl.outbox REPLICA IDENTITY FULL;
ALTER TABLE pyrepl.epoch REPLICA IDENTITY FULL;
