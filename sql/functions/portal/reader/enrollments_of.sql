-- The enrollments of these users, each with the user's place among those asked for.
-- OFFSET 0: each user is looked up, in whatever state the table was when the session made
-- its plan. A join may be planned as a scan of all while the table is small.
-- STABLE: it reads in the snapshot of the statement that asks; and with the settings of who
-- asks, route and deliver_at_commit: to make them again would cost as much as the reading.
-- Owner: pyrepl_reader
-- Slots: enrollment_active, enrollment_course, enrollment_table, enrollment_user,
--   require_tables
CREATE OR REPLACE FUNCTION pyrepl.enrollments_of(p_users bigint[])
RETURNS TABLE (place integer, user_id bigint, course text, counts boolean)
LANGUAGE plpgsql
STABLE
SECURITY DEFINER
ROWS 100
SET search_path = pg_catalog, pg_temp
SET row_security = off
AS $enrollments_of$
BEGIN
    {require_tables};
    BEGIN
        RETURN QUERY
        SELECT u.place::integer, u.id, e.{enrollment_course}::text,
            ({enrollment_active})::boolean
        FROM unnest(p_users) WITH ORDINALITY u(id, place)
        CROSS JOIN LATERAL (
            SELECT * FROM ONLY {enrollment_table} o
            WHERE o.{enrollment_user} = u.id OFFSET 0) e;
        RAISE SQLSTATE 'PR009';
    EXCEPTION WHEN SQLSTATE 'PR009' THEN NULL;
    END;
END
$enrollments_of$;

COMMENT ON FUNCTION pyrepl.enrollments_of(bigint[]) IS
    'courses in which users are enrolled, and whether that makes them members';
REVOKE ALL ON FUNCTION pyrepl.enrollments_of(bigint[]) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION pyrepl.enrollments_of(bigint[]) TO pyrepl_owner;
