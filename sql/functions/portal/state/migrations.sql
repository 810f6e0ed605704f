-- The migrations that this portal has, so that a program can tell whether it is too old.
CREATE OR REPLACE FUNCTION pyrepl.migrations()
RETURNS SETOF text
LANGUAGE sql
STABLE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $migrations$
    SELECT m.migration_id::text FROM pyrepl._yoyo_migration m;
$migrations$;

COMMENT ON FUNCTION pyrepl.migrations() IS 'names of the migrations that were applied';
REVOKE ALL ON FUNCTION pyrepl.migrations() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION pyrepl.migrations() TO pyrepl_worker, pyrepl_monitor;
