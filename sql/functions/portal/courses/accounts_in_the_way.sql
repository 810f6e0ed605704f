-- Accounts of a course database that have the id or the user name of a member and are no
-- copies. same: the same id and the same name, which --adopt takes over.
CREATE OR REPLACE FUNCTION pyrepl.accounts_in_the_way(p_database integer)
RETURNS TABLE (user_id bigint, username text, same boolean)
LANGUAGE plpgsql
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $accounts_in_the_way$
DECLARE
    v_ids bigint[];
    v_names text[];
BEGIN
    EXECUTE format('SELECT array_agg(a.user_id), array_agg(a.username) '
        'FROM pyrepl.%I a WHERE NOT a.is_copy', 'account_' || p_database)
    INTO v_ids, v_names;
    RETURN QUERY
    WITH member AS MATERIALIZED (
        SELECT m.user_id AS id, m.username AS name FROM pyrepl.names_enrolled(p_database) m
    ), local AS MATERIALIZED (
        SELECT a.id, a.name FROM unnest(v_ids, v_names) a(id, name)
    )
    SELECT l.id, l.name, l.name = m.name
    FROM local l JOIN member m ON m.id = l.id
    UNION
    SELECT l.id, l.name, false
    FROM local l JOIN member m ON m.name = l.name AND m.id <> l.id
    ORDER BY 3, 1;
END
$accounts_in_the_way$;

COMMENT ON FUNCTION pyrepl.accounts_in_the_way(integer) IS
    'local accounts of a course database that stand where a copy should';
REVOKE ALL ON FUNCTION pyrepl.accounts_in_the_way(integer) FROM PUBLIC;
