-- The portal's way to one course database: server, mapping (without its password, which
-- set_link_password fills in) and foreign tables.
CREATE SERVER {server} FOREIGN DATA WRAPPER postgres_fdw OPTIONS ({options});
CREATE USER MAPPING FOR pyrepl_owner SERVER {server} OPTIONS (user {link_role});
CREATE FOREIGN TABLE pyrepl.{inbox} (
    portal text,
    contract text,
    prev uuid,
    tag uuid,
    adopt boolean,
    ids bigint[],
    generations bigint[],
    members boolean[],
    users text,
    profiles text,
    enrollments text,
    copies bigint[]
) SERVER {server} OPTIONS (schema_name 'pyrepl', table_name 'inbox');
CREATE FOREIGN TABLE pyrepl.{digest} (
    part text,
    user_id bigint,
    digest bigint
) SERVER {server} OPTIONS (schema_name 'pyrepl', table_name 'digest');
CREATE FOREIGN TABLE pyrepl.{account} (
    user_id bigint,
    username text,
    is_copy boolean
) SERVER {server} OPTIONS (schema_name 'pyrepl', table_name 'account');
