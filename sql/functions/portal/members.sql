-- How many users are members of a course database.
CREATE OR REPLACE FUNCTION pyrepl.members(p_database integer)
RETURNS bigint
LANGUAGE sql
STABLE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET row_security = off
AS $members$
    SELECT count(DISTINCT e.{enrollment_user})
    FROM pyrepl.hosting h
    JOIN {enrollment_table} e ON e.{enrollment_course} = h.course AND {enrollment_active}
    WHERE h.database_id = p_database AND h.active;
$members$;

COMMENT ON FUNCTION pyrepl.members(integer) IS 'number of members of a course database';
REVOKE ALL ON FUNCTION pyrepl.members(integer) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION pyrepl.members(integer) TO pyrepl_monitor;
