-- How it goes: the health of each database, the clocks seen, and what verify found.
-- depends: 0002-databases

CREATE TABLE pyrepl.health (
    database_id integer PRIMARY KEY REFERENCES pyrepl.database ON DELETE CASCADE,
    health text NOT NULL DEFAULT 'ok' CHECK (health IN
        ('ok', 'backing_off', 'blocked', 'waiting_contract', 'refused', 'forked')),
    phase text NOT NULL DEFAULT 'normal' CHECK (phase IN ('normal', 'probe', 'isolate')),
    batch integer CHECK (batch > 0),
    intent bigint[],
    suspect boolean NOT NULL DEFAULT false,
    serving integer,
    failures integer NOT NULL DEFAULT 0,
    retry_at timestamptz,
    failed_at timestamptz,
    sqlstate text,
    message text,
    hint text,
    last_delivered_at timestamptz,
    companions bigint[] NOT NULL DEFAULT '{}',
    holders bigint[] NOT NULL DEFAULT '{}',
    settle_at timestamptz,
    stalled_at timestamptz
);
COMMENT ON TABLE pyrepl.health IS
    'How delivery to a database goes; written when that changes, and once a second at most.';
COMMENT ON COLUMN pyrepl.health.phase IS
    'normal; probe: the next push is empty, to tell a sick database from a bad dossier; isolate: small batches, recorded in intent first.';
COMMENT ON COLUMN pyrepl.health.intent IS
    'The users of the next batch, recorded before it is tried so that its failure has a name.';
COMMENT ON COLUMN pyrepl.health.suspect IS
    'The database went down when the only user of intent was delivered. If it does so again, the dossier is at fault.';
COMMENT ON COLUMN pyrepl.health.serving IS
    'The backend of a pyrepl.serve that is delivering: left behind only by one that died doing so.';
COMMENT ON COLUMN pyrepl.health.companions IS
    'Users sent along with intent: their copies hold unique values that its dossier needs.';
COMMENT ON COLUMN pyrepl.health.holders IS
    'The copies that the last failure named as holders of a unique value.';
COMMENT ON COLUMN pyrepl.health.settle_at IS
    'When deliver looks at the receipts of immediate pushes next; NULL where there were none ever.';
COMMENT ON COLUMN pyrepl.health.stalled_at IS
    'When deliver last found that immediate pushes do not come to an end.';

CREATE TABLE pyrepl.clock (
    kind text NOT NULL,
    name text NOT NULL,
    seen_at timestamptz NOT NULL,
    PRIMARY KEY (kind, name)
);
COMMENT ON TABLE pyrepl.clock IS
    'Clocks and when each was last seen; updated once a second at most.';

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
