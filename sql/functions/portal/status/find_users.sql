-- Users by id, user name or e-mail, the latter two whatever their case. Those whom the
-- portal has no more are found by id. Not by index: for a person who asks.
-- Owner: pyrepl_reader
-- Slots: require_tables, user_email, user_key, user_name, user_table
CREATE OR REPLACE FUNCTION pyrepl.find_users(p_who text)
RETURNS TABLE (user_id bigint, username text, present boolean)
LANGUAGE plpgsql
STABLE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET row_security = off
AS $find_users$
DECLARE
    v_number numeric := CASE WHEN p_who ~ '^-?[0-9]{{1,19}}$' THEN p_who::numeric END;
    v_id bigint := CASE WHEN abs(v_number + 0.5) < 9223372036854775808 THEN v_number END;
    v_here boolean;
BEGIN
    {require_tables};
    BEGIN
        RETURN QUERY
        SELECT u.{user_key}::bigint, {user_name}, true
        FROM ONLY {user_table} u
        WHERE u.{user_key} = v_id OR lower({user_name}) = lower(p_who)
            OR lower({user_email}) = lower(p_who)
        ORDER BY 1 LIMIT 100;
        v_here := EXISTS (SELECT FROM ONLY {user_table} u WHERE u.{user_key} = v_id);
        RAISE SQLSTATE 'PR009';
    EXCEPTION WHEN SQLSTATE 'PR009' THEN NULL;
    END;
    IF v_id IS NOT NULL AND NOT v_here THEN
        RETURN QUERY SELECT v_id, NULL::text, false;
    END IF;
END
$find_users$;

COMMENT ON FUNCTION pyrepl.find_users(text) IS
    'users by id, user name or e-mail: what pyreplctl explain begins with';
REVOKE ALL ON FUNCTION pyrepl.find_users(text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION pyrepl.find_users(text) TO pyrepl_owner, pyrepl_monitor;
