-- Who makes route and deliver run.
-- depends: 0001-configuration

CREATE TABLE pyrepl.clock (
    kind text NOT NULL,
    name text NOT NULL,
    seen_at timestamptz NOT NULL,
    PRIMARY KEY (kind, name)
);
COMMENT ON TABLE pyrepl.clock IS
    'Clocks and when each was last seen; updated once a second at most.';
