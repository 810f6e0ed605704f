-- The course databases, the courses they host, and the tags of what each has taken.
-- depends: 0001-configuration

CREATE TABLE pyrepl.database (
    id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name text NOT NULL UNIQUE,
    contract_id integer NOT NULL REFERENCES pyrepl.contract,
    delivery text NOT NULL DEFAULT 'queued'
        CHECK (delivery IN ('queued', 'immediate')),
    state text NOT NULL DEFAULT 'backfilling'
        CHECK (state IN ('active', 'paused', 'backfilling', 'removing')),
    adopt boolean NOT NULL DEFAULT false,
    administrator text NOT NULL CHECK (administrator !~ '\mpassword='),
    link text NOT NULL CHECK (link !~ '\mpassword='),
    link_role text NOT NULL,
    registered_at timestamptz NOT NULL DEFAULT now(),
    guard text NOT NULL DEFAULT 'reject' CHECK (guard IN ('reject', 'warn', 'off'))
);
COMMENT ON TABLE pyrepl.database IS
    'Course databases. administrator and link are connection strings without passwords.';
COMMENT ON COLUMN pyrepl.database.adopt IS
    'Whether backfill may take over an account with the same id and user name.';
COMMENT ON COLUMN pyrepl.database.guard IS
    'What its guard triggers do when somebody else writes a replicated column.';

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

CREATE TABLE pyrepl.chain (
    database_id integer NOT NULL REFERENCES pyrepl.database ON DELETE CASCADE,
    id bigint GENERATED ALWAYS AS IDENTITY,
    tag uuid NOT NULL,
    PRIMARY KEY (database_id, id)
);
COMMENT ON TABLE pyrepl.chain IS
    'The tag of the last acknowledged push; the highest id counts. Read from the end, so that dead versions are not.';
