-- End the hosting of a course; its members' enrollments there go with deliveries. The
-- row stays, inactive, so that changes still on their way find this database. Returns
-- whether it was hosted. Writes: hosting, change. Locks: as lock_hosting.
CREATE OR REPLACE FUNCTION pyrepl.end_hosting(p_database integer, p_course text)
RETURNS boolean
LANGUAGE plpgsql
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $end_hosting$
BEGIN
    PERFORM pyrepl.require_databases(ARRAY[p_database]);
    UPDATE pyrepl.hosting h SET active = false
    WHERE h.course = p_course AND h.database_id = p_database AND h.active;
    IF NOT FOUND THEN
        RETURN false;
    END IF;
    PERFORM pyrepl.queue_courses(p_database, ARRAY[p_course]);
    PERFORM pyrepl.lock_hosting();
    RETURN true;
END
$end_hosting$;

COMMENT ON FUNCTION pyrepl.end_hosting(integer, text) IS
    'ends the hosting of a course in a course database';
REVOKE ALL ON FUNCTION pyrepl.end_hosting(integer, text) FROM PUBLIC;
