-- Which accounts there are, copies and local ones, for registration and verification.
-- Slots: link_role, user_key, user_name_here, user_table
CREATE OR REPLACE FUNCTION pyrepl.account_rows()
RETURNS TABLE (user_id bigint, username text, is_copy boolean)
LANGUAGE sql
STABLE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET row_security = off
AS $account_rows$
SELECT u.{user_key}::bigint AS user_id, {user_name_here} AS username,
    c.user_id IS NOT NULL AS is_copy
FROM ONLY {user_table} u
LEFT JOIN pyrepl.copy c ON c.user_id = u.{user_key}
WHERE c.erased IS NOT TRUE;
$account_rows$;

COMMENT ON FUNCTION pyrepl.account_rows() IS
    'ids and names of all accounts, and which of them are copies';
REVOKE ALL ON FUNCTION pyrepl.account_rows() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION pyrepl.account_rows() TO {link_role};
