-- Accounts of a course database that have the id or the user name of a member and are no
-- copies. same: the same id and the same name, which --adopt takes over.
CREATE OR REPLACE FUNCTION pyrepl.accounts_in_the_way(p_database integer)
RETURNS TABLE (user_id bigint, username text, same boolean)
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $accounts_in_the_way$
BEGIN
    RETURN QUERY EXECUTE format($find$
        WITH member AS MATERIALIZED (
            SELECT m.user_id AS id, m.username AS name
            FROM pyrepl.names_enrolled(%1$s) m
        ), local AS MATERIALIZED (
            SELECT a.user_id, a.username FROM pyrepl.%2$I a WHERE NOT a.is_copy
        )
        SELECT l.user_id, l.username, l.username = m.name
        FROM local l JOIN member m ON m.id = l.user_id
        UNION
        SELECT l.user_id, l.username, false
        FROM local l JOIN member m ON m.name = l.username AND m.id <> l.user_id
        ORDER BY 3, 1
        $find$, p_database, 'account_' || p_database);
END
$accounts_in_the_way$;

COMMENT ON FUNCTION pyrepl.accounts_in_the_way(integer) IS
    'local accounts of a course database that stand where a copy should';
REVOKE ALL ON FUNCTION pyrepl.accounts_in_the_way(integer) FROM PUBLIC;
