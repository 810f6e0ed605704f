-- A way from the portal to one course database: server, mapping (without its password,
-- which new_link_password fills in) and foreign tables. Immediate delivery has its own, so
-- that the application's sessions cannot starve the queue.
-- Slots: inbox, link_role, options, server, unsettled
CREATE SERVER {server} FOREIGN DATA WRAPPER postgres_fdw OPTIONS ({options});
CREATE USER MAPPING FOR pyrepl_owner SERVER {server} OPTIONS (user {link_role});
CREATE FOREIGN TABLE pyrepl.{inbox} (
    portal text,
    contract text,
    prev uuid,
    tag uuid,
    epoch uuid,
    xid xid8,
    settled bigint[],
    adopt boolean,
    ids bigint[],
    generations bigint[],
    members boolean[],
    frozen boolean[],
    users text,
    profiles text,
    enrollments text,
    copies bigint[],
    again bigint[]
) SERVER {server} OPTIONS (schema_name 'pyrepl', table_name 'inbox');
COMMENT ON FOREIGN TABLE pyrepl.{inbox} IS 'A push is one UPDATE of this.';
CREATE FOREIGN TABLE pyrepl.{unsettled} (
    id bigint,
    xid xid8,
    epoch uuid,
    users bigint[]
) SERVER {server} OPTIONS (schema_name 'pyrepl', table_name 'unsettled');
COMMENT ON FOREIGN TABLE pyrepl.{unsettled} IS 'Receipts of immediate pushes.';
