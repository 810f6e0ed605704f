-- The portal's way to one course database: server, mapping (without its password, which
-- new_link_password fills in) and foreign tables.
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
COMMENT ON FOREIGN TABLE pyrepl.{inbox} IS 'A push is one UPDATE of this.';
CREATE FOREIGN TABLE pyrepl.{digest} (
    part text,
    user_id bigint,
    digest bigint
) SERVER {server} OPTIONS (schema_name 'pyrepl', table_name 'digest');
COMMENT ON FOREIGN TABLE pyrepl.{digest} IS 'A hash for each replicated row at the course.';
CREATE FOREIGN TABLE pyrepl.{account} (
    user_id bigint,
    username text,
    is_copy boolean
) SERVER {server} OPTIONS (schema_name 'pyrepl', table_name 'account');
COMMENT ON FOREIGN TABLE pyrepl.{account} IS 'All accounts of the course, copies or not.';
