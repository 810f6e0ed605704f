-- What the installation was told, and the contracts made from it.

CREATE TABLE pyrepl.settings (
    singleton boolean PRIMARY KEY DEFAULT true CHECK (singleton),
    version text NOT NULL,
    configuration jsonb NOT NULL,
    batch integer NOT NULL CHECK (batch BETWEEN 1 AND 100000),
    immediate boolean NOT NULL DEFAULT false
);
COMMENT ON TABLE pyrepl.settings IS
    'One row: the program that installed this schema and the configuration it was given.';
COMMENT ON COLUMN pyrepl.settings.immediate IS
    'Whether some database has immediate delivery: capture then asks for it.';

CREATE TABLE pyrepl.object (
    kind text NOT NULL,
    name text NOT NULL,
    source_hash text NOT NULL,
    catalog_hash text NOT NULL,
    PRIMARY KEY (kind, name)
);
COMMENT ON TABLE pyrepl.object IS
    'What install created: hash of the source, and of what the catalog then held.';

CREATE TABLE pyrepl.contract (
    id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    fingerprint text NOT NULL UNIQUE,
    created_at timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE pyrepl.contract IS
    'Sets of columns that the portal and a course database agree on; the newest is what the portal offers.';

CREATE TABLE pyrepl.contract_column (
    contract_id integer NOT NULL REFERENCES pyrepl.contract ON DELETE CASCADE,
    part text NOT NULL CHECK (part IN ('user', 'profile', 'enrollment')),
    position smallint NOT NULL,
    table_name text NOT NULL,
    column_name text NOT NULL,
    type_name text NOT NULL,
    PRIMARY KEY (contract_id, part, position)
);
COMMENT ON TABLE pyrepl.contract_column IS
    'The columns of a contract, in the order in which they travel.';
