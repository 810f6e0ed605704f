-- What verify reads over the link of one course database.
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
