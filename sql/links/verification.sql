-- What verify reads and asks over the link of one course database.
-- Slots: account, digest, server
CREATE FOREIGN TABLE pyrepl.{digest} (
    users bigint[],
    first bigint,
    last bigint,
    shift integer,
    sums boolean,
    seed bigint,
    digests bytea,
    rows text,
    lowest bigint,
    highest bigint
) SERVER {server} OPTIONS (schema_name 'pyrepl', table_name 'digest');
COMMENT ON FOREIGN TABLE pyrepl.{digest} IS 'An UPDATE of this asks the course.';
CREATE FOREIGN TABLE pyrepl.{account} (
    user_id bigint,
    username text,
    is_copy boolean
) SERVER {server} OPTIONS (schema_name 'pyrepl', table_name 'account');
COMMENT ON FOREIGN TABLE pyrepl.{account} IS 'All accounts of the course, copies or not.';
