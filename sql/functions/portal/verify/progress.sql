-- How far an interrupted verification of a database had come; no row if there was none.
CREATE OR REPLACE FUNCTION pyrepl.progress(p_database integer)
RETURNS TABLE (
    "position" bigint, members bigint, former bigint, suspects bigint[], at timestamptz)
LANGUAGE sql
STABLE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $progress$
    SELECT v.position, v.members, v.former, v.suspects, v.at
    FROM pyrepl.verifying v
    WHERE v.database_id = p_database;
$progress$;

COMMENT ON FUNCTION pyrepl.progress(integer) IS
    'where an interrupted verification can go on';
REVOKE ALL ON FUNCTION pyrepl.progress(integer) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION pyrepl.progress(integer) TO pyrepl_monitor;
