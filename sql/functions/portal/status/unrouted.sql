-- Changes that have not been routed yet: of those that a snapshot sees, or all.
CREATE OR REPLACE FUNCTION pyrepl.unrouted(p_before pg_snapshot DEFAULT NULL)
RETURNS bigint
LANGUAGE sql
STABLE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $unrouted$
    SELECT count(*) FROM pyrepl.change c
    WHERE p_before IS NULL OR pg_visible_in_snapshot(c.xid, p_before);
$unrouted$;

COMMENT ON FUNCTION pyrepl.unrouted(pg_snapshot) IS
    'number of changes that wait for route, of those that were committed in a snapshot';
REVOKE ALL ON FUNCTION pyrepl.unrouted(pg_snapshot) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION pyrepl.unrouted(pg_snapshot) TO pyrepl_monitor;
