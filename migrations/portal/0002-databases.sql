-- The course databases, the courses they host, and how each is doing.
-- depends: 0001-configuration

CREATE TABLE pyrepl.database (
    id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name text NOT NULL UNIQUE,
    contract_id integer NOT NULL REFERENCES pyrepl.contract,
    delivery text NOT NULL DEFAULT 'queued' CHECK (delivery IN ('queued')),
    state text NOT NULL DEFAULT 'backfilling'
        CHECK (state IN ('active', 'paused', 'backfilling', 'removing')),
    adopt boolean NOT NULL DEFAULT false,
    administrator text NOT NULL CHECK (administrator !~ '\mpassword='),
    link text NOT NULL CHECK (link !~ '\mpassword='),
    link_role text NOT NULL,
    registered_at timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE pyrepl.database IS
    'Course databases. administrator and link are connection strings without passwords.';
COMMENT ON COLUMN pyrepl.database.adopt IS
    'Whether backfill may take over an account with the same id and user name.';

CREATE TABLE pyrepl.hosting (
    course text NOT NULL,
    database_id integer NOT NULL REFERENCES pyrepl.database ON DELETE CASCADE,
    active boolean NOT NULL DEFAULT true,
    since timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (course, database_id)
);
CREATE UNIQUE INDEX hosting_active ON pyrepl.hosting (course) WHERE active;
CREATE INDEX hosting_database ON pyrepl.hosting (database_id);
COMMENT ON TABLE pyrepl.hosting IS
    'Which database hosts a course, and which hosted it: those must hear of its changes too.';

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
    last_delivered_at timestamptz
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

CREATE TABLE pyrepl.chain (
    database_id integer NOT NULL REFERENCES pyrepl.database ON DELETE CASCADE,
    id bigint GENERATED ALWAYS AS IDENTITY,
    tag uuid NOT NULL,
    PRIMARY KEY (database_id, id)
);
COMMENT ON TABLE pyrepl.chain IS
    'The tag of the last acknowledged push; the highest id counts. Read from the end, so that dead versions are not.';
