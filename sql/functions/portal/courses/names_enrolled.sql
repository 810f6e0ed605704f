-- Who is enrolled at a course database, with the user names. Part of accounts_in_the_way.
-- Owner: pyrepl_reader
-- Slots: enrollment_course, enrollment_table, enrollment_user, require_tables,
--   user_key, user_name, user_table
CREATE OR REPLACE FUNCTION pyrepl.names_enrolled(p_database integer)
RETURNS TABLE (user_id bigint, username text)
LANGUAGE plpgsql
STABLE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET row_security = off
AS $names_enrolled$
BEGIN
    {require_tables};
    BEGIN
        RETURN QUERY
        SELECT DISTINCT u.{user_key}::bigint, {user_name}
        FROM pyrepl.hosting h
        JOIN ONLY {enrollment_table} e ON e.{enrollment_course} = h.course
        JOIN ONLY {user_table} u ON u.{user_key} = e.{enrollment_user}
        WHERE h.database_id = p_database AND h.active;
        RAISE SQLSTATE 'PR009';
    EXCEPTION WHEN SQLSTATE 'PR009' THEN NULL;
    END;
END
$names_enrolled$;

COMMENT ON FUNCTION pyrepl.names_enrolled(integer) IS
    'users enrolled at a course database, with their names';
REVOKE ALL ON FUNCTION pyrepl.names_enrolled(integer) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION pyrepl.names_enrolled(integer) TO pyrepl_owner;
