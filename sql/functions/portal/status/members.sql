-- How many users are members of a course database; NULL where a migration has taken a
-- column away that says so: status must be able to tell of that.
-- Slots: enrollment_active, enrollment_course, enrollment_table, enrollment_user
CREATE OR REPLACE FUNCTION pyrepl.members(p_database integer)
RETURNS bigint
LANGUAGE plpgsql
STABLE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET row_security = off
AS $members$
BEGIN
    RETURN (
        SELECT count(DISTINCT e.{enrollment_user})
        FROM pyrepl.hosting h
        JOIN {enrollment_table} e
            ON e.{enrollment_course} = h.course AND {enrollment_active}
        WHERE h.database_id = p_database AND h.active);
EXCEPTION WHEN undefined_column OR undefined_table THEN
    RETURN NULL;
END
$members$;

COMMENT ON FUNCTION pyrepl.members(integer) IS 'number of members of a course database';
REVOKE ALL ON FUNCTION pyrepl.members(integer) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION pyrepl.members(integer) TO pyrepl_monitor;
