-- The portal that this course database belongs to, and what was agreed with it.

CREATE TABLE pyrepl.binding (
    singleton boolean PRIMARY KEY DEFAULT true CHECK (singleton),
    portal text NOT NULL,
    database_id integer NOT NULL,
    link_role text NOT NULL,
    fingerprint text NOT NULL,
    bound_at timestamptz NOT NULL DEFAULT now(),
    guard text NOT NULL DEFAULT 'reject' CHECK (guard IN ('reject', 'warn', 'off'))
);
COMMENT ON TABLE pyrepl.binding IS
    'One row: the portal (system identifier/database oid), its number for this database, and the contract.';
COMMENT ON COLUMN pyrepl.binding.guard IS
    'What the guard triggers do when somebody else writes a replicated column.';

CREATE TABLE pyrepl.chain (
    tag uuid PRIMARY KEY,
    before uuid NOT NULL,
    users bigint[] NOT NULL DEFAULT '{}'
);
CREATE INDEX chain_before ON pyrepl.chain (before);
COMMENT ON TABLE pyrepl.chain IS
    'One row: the tag of the last push and of the one before. Found by value, so that dead versions are not read.';
COMMENT ON COLUMN pyrepl.chain.users IS
    'Whom the last push was about. If the portal does not know of it, they are sent again.';

CREATE TABLE pyrepl.contract_column (
    part text NOT NULL CHECK (part IN ('user', 'profile', 'enrollment')),
    position smallint NOT NULL,
    table_name text NOT NULL,
    column_name text NOT NULL,
    type_name text NOT NULL,
    local_type text NOT NULL,
    PRIMARY KEY (part, position)
);
COMMENT ON TABLE pyrepl.contract_column IS
    'The columns agreed with the portal, in the order in which they travel; local_type is the type here.';

CREATE TABLE pyrepl.object (
    kind text NOT NULL,
    name text NOT NULL,
    source_hash text NOT NULL,
    catalog_hash text NOT NULL,
    PRIMARY KEY (kind, name)
);
COMMENT ON TABLE pyrepl.object IS
    'What register created: hash of the source, and of what the catalog then held.';
