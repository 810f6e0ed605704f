-- Route, and tell how many change rows were taken (NULL when another session is routing)
-- and the databases for which their pairs wait. In a transaction of its own.
-- Writes: own_failure, and as route_changes.
CREATE OR REPLACE FUNCTION pyrepl.route_batch(OUT taken integer, OUT databases integer[])
LANGUAGE plpgsql
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET row_security = off
SET plan_cache_mode = force_generic_plan
SET enable_seqscan = off
SET enable_bitmapscan = off
SET enable_hashjoin = off
SET enable_mergejoin = off
SET jit = off
AS $route_batch$
BEGIN
    PERFORM pyrepl.require_own_transaction();
    SELECT r.taken, r.databases INTO taken, databases FROM pyrepl.route_changes() r;
    IF taken IS NOT NULL THEN
        DELETE FROM pyrepl.own_failure f WHERE f.database_id = 0;
    END IF;
END
$route_batch$;

COMMENT ON FUNCTION pyrepl.route_batch() IS
    'moves changes to the outbox of every database concerned; returns how many, '
    'NULL if another session does, and the databases';
REVOKE ALL ON FUNCTION pyrepl.route_batch() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION pyrepl.route_batch() TO pyrepl_worker;
