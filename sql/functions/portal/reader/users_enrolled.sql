-- Who is enrolled in these courses, each with the course's place among those asked for.
-- STABLE: it reads in the snapshot of the statement that asks, with the settings of that.
-- Owner: pyrepl_reader
-- Slots: enrollment_course, enrollment_table, enrollment_user, require_tables
CREATE OR REPLACE FUNCTION pyrepl.users_enrolled(p_courses text[])
RETURNS TABLE (place integer, user_id bigint)
LANGUAGE plpgsql
STABLE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET row_security = off
AS $users_enrolled$
BEGIN
    {require_tables};
    BEGIN
        RETURN QUERY
        SELECT c.place::integer, e.{enrollment_user}::bigint
        FROM unnest(p_courses) WITH ORDINALITY c(course, place)
        JOIN ONLY {enrollment_table} e ON e.{enrollment_course} = c.course;
        RAISE SQLSTATE 'PR009';
    EXCEPTION WHEN SQLSTATE 'PR009' THEN NULL;
    END;
END
$users_enrolled$;

COMMENT ON FUNCTION pyrepl.users_enrolled(text[]) IS
    'users who are enrolled in courses';
REVOKE ALL ON FUNCTION pyrepl.users_enrolled(text[]) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION pyrepl.users_enrolled(text[]) TO pyrepl_owner;
