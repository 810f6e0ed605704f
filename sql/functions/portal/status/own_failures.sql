-- What fails on the portal itself, by course database; without a name: routing.
CREATE OR REPLACE FUNCTION pyrepl.own_failures()
RETURNS TABLE (
    name text, sqlstate text, message text, hint text, since timestamptz, failures integer)
LANGUAGE sql
STABLE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $own_failures$
    SELECT d.name, f.sqlstate, f.message, f.hint, f.since, f.failures
    FROM pyrepl.own_failure f
    LEFT JOIN pyrepl.database d ON d.id = f.database_id
    WHERE f.database_id = 0 OR d.id IS NOT NULL
    ORDER BY f.database_id;
$own_failures$;

COMMENT ON FUNCTION pyrepl.own_failures() IS
    'what fails on the portal itself: what status shows';
REVOKE ALL ON FUNCTION pyrepl.own_failures() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION pyrepl.own_failures() TO pyrepl_monitor;
