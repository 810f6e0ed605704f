-- How far a verification has come, so that one that was interrupted can go on.
-- depends: 0002-databases

CREATE TABLE pyrepl.verifying (
    database_id integer PRIMARY KEY REFERENCES pyrepl.database ON DELETE CASCADE,
    position bigint NOT NULL,
    members bigint NOT NULL,
    former bigint NOT NULL,
    suspects bigint[] NOT NULL,
    at timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE pyrepl.verifying IS
    'Verifications that have not come to their end; position is the next id to look at.';
