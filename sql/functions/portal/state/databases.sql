-- Numbers, names and states of the course databases.
CREATE OR REPLACE FUNCTION pyrepl.databases()
RETURNS TABLE (id integer, name text, state text)
LANGUAGE sql
STABLE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $databases$
    SELECT d.id, d.name, d.state FROM pyrepl.database d ORDER BY d.name;
$databases$;

COMMENT ON FUNCTION pyrepl.databases() IS
    'numbers, names and states of the course databases';
REVOKE ALL ON FUNCTION pyrepl.databases() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION pyrepl.databases() TO pyrepl_worker, pyrepl_monitor;
