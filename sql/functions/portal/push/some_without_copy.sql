-- A few users who are enrolled at a course database, and of whom it holds no copy yet.
-- Part of trial_push.
-- Owner: pyrepl_reader
-- Slots: enrollment_course, enrollment_table, enrollment_user, require_tables
CREATE OR REPLACE FUNCTION pyrepl.some_without_copy(p_database integer)
RETURNS bigint[]
LANGUAGE plpgsql
STABLE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET row_security = off
AS $some_without_copy$
DECLARE
    v_users bigint[];
BEGIN
    {require_tables};
    BEGIN
        v_users := ARRAY(
            SELECT DISTINCT e.{enrollment_user}
            FROM pyrepl.hosting h
            JOIN ONLY {enrollment_table} e ON e.{enrollment_course} = h.course
            WHERE h.database_id = p_database AND h.active AND NOT EXISTS (
                SELECT FROM pyrepl.placement p
                WHERE p.user_id = e.{enrollment_user} AND p.database_id = p_database)
            LIMIT 10);
        RAISE SQLSTATE 'PR009';
    EXCEPTION WHEN SQLSTATE 'PR009' THEN NULL;
    END;
    RETURN v_users;
END
$some_without_copy$;

COMMENT ON FUNCTION pyrepl.some_without_copy(integer) IS
    'a few members of a course database without a copy there; part of trial_push';
REVOKE ALL ON FUNCTION pyrepl.some_without_copy(integer) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION pyrepl.some_without_copy(integer) TO pyrepl_owner;
