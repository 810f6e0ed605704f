-- The courses in which a user is enrolled, and whether that makes a member: for a person
-- who asks. Not enrollments_of, whose plan is route's.
-- Owner: pyrepl_reader
-- Slots: enrollment_active, enrollment_course, enrollment_table, enrollment_user,
--   require_tables
CREATE OR REPLACE FUNCTION pyrepl.courses_of_user(p_user bigint)
RETURNS TABLE (course text, counts boolean)
LANGUAGE plpgsql
STABLE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET row_security = off
AS $courses_of_user$
BEGIN
    {require_tables};
    BEGIN
        RETURN QUERY
        SELECT e.{enrollment_course}::text, ({enrollment_active})::boolean
        FROM ONLY {enrollment_table} e
        WHERE e.{enrollment_user} = p_user;
        RAISE SQLSTATE 'PR009';
    EXCEPTION WHEN SQLSTATE 'PR009' THEN NULL;
    END;
END
$courses_of_user$;

COMMENT ON FUNCTION pyrepl.courses_of_user(bigint) IS
    'courses in which a user is enrolled; part of explain_user';
REVOKE ALL ON FUNCTION pyrepl.courses_of_user(bigint) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION pyrepl.courses_of_user(bigint) TO pyrepl_owner;
