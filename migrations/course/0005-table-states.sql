-- What the tables were when the portal had last delivered all that they may have lost.
-- depends: 0004-definitions

CREATE TABLE pyrepl.table_state (
    part text NOT NULL,
    item text NOT NULL,
    held text NOT NULL,
    image text NOT NULL,
    PRIMARY KEY (part, item)
);
COMMENT ON TABLE pyrepl.table_state IS
    'Tables, agreed columns and triggers as the catalog had them at the last refresh: where it has others now, rows may have changed unseen.';
COMMENT ON COLUMN pyrepl.table_state.image IS
    'Of a table its file, of a column the version of its row in the catalog: only both together tell of a column that was rewritten.';
