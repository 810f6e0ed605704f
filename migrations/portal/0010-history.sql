-- What past verifications found.
-- depends: 0001-configuration

CREATE TABLE pyrepl.verification (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at timestamptz NOT NULL DEFAULT now(),
    name text NOT NULL,
    ok boolean,
    error text,
    structure integer,
    users bigint,
    missing bigint,
    stale bigint,
    extra bigint,
    former bigint,
    pending bigint,
    seconds double precision,
    by text NOT NULL DEFAULT session_user
);
COMMENT ON TABLE pyrepl.verification IS
    'A row for each course database that a run of verify has looked at, and one without a name for the portal; those of a run have the same time.';
COMMENT ON COLUMN pyrepl.verification.structure IS
    'Objects that were not current; NULL where structure was not looked at.';
