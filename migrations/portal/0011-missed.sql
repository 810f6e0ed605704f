-- What the tables were when everything had last been seen, and writes that capture could
-- not note.
-- depends: 0010-definitions

CREATE TABLE pyrepl.table_state (
    part text NOT NULL,
    item text NOT NULL,
    held text NOT NULL,
    image text NOT NULL,
    PRIMARY KEY (part, item)
);
COMMENT ON TABLE pyrepl.table_state IS
    'Tables, agreed columns and triggers as the catalog had them at the last install: where it has others now, rows may have changed unseen.';
COMMENT ON COLUMN pyrepl.table_state.image IS
    'Of a table its file, of a column the version of its row in the catalog: only both together tell of a column that was rewritten.';

CREATE TABLE pyrepl.uncaptured (
    part text NOT NULL,
    sqlstate text NOT NULL,
    at timestamptz NOT NULL DEFAULT clock_timestamp()
);
ALTER TABLE pyrepl.uncaptured REPLICA IDENTITY FULL;
COMMENT ON TABLE pyrepl.uncaptured IS
    'Statements of writers that capture could not note in change. install queues everybody and empties it.';
