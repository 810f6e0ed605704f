-- How many users are members of a course database; NULL where a migration has taken away
-- what says so, or the right to read it: status must be able to tell of that.
-- Owner: pyrepl_reader
-- Slots: enrollment_active, enrollment_course, enrollment_table, enrollment_user,
--   require_tables
CREATE OR REPLACE FUNCTION pyrepl.members(p_database integer)
RETURNS bigint
LANGUAGE plpgsql
STABLE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET row_security = off
AS $members$
DECLARE
    v_members bigint;
BEGIN
    {require_tables};
    v_members := (
        SELECT count(DISTINCT e.{enrollment_user})
        FROM pyrepl.hosting h
        JOIN ONLY {enrollment_table} e
            ON e.{enrollment_course} = h.course AND {enrollment_active}
        WHERE h.database_id = p_database AND h.active);
    RAISE SQLSTATE 'PR009';
EXCEPTION WHEN SQLSTATE 'PR009' OR SQLSTATE 'PR018' OR undefined_column
    OR undefined_table OR invalid_schema_name OR insufficient_privilege
THEN
    RETURN v_members;
END
$members$;

COMMENT ON FUNCTION pyrepl.members(integer) IS 'number of members of a course database';
REVOKE ALL ON FUNCTION pyrepl.members(integer) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION pyrepl.members(integer) TO pyrepl_owner, pyrepl_monitor;
