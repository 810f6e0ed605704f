-- Whether there may be something to route: a look that costs a twentieth of route, and may
-- miss what was committed before the mark was lost. Reads behind the mark only.
CREATE OR REPLACE FUNCTION pyrepl.has_unrouted()
RETURNS boolean
LANGUAGE plpgsql
STABLE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET enable_seqscan = off
SET enable_bitmapscan = off
SET jit = off
AS $has_unrouted$
DECLARE
    v_mark pg_snapshot := coalesce(
        (SELECT m.snapshot FROM pyrepl.route_mark m), '1:1:');
BEGIN
    RETURN EXISTS (
            SELECT FROM pyrepl.change c WHERE c.xid >= pg_snapshot_xmax(v_mark))
        OR EXISTS (
            SELECT FROM pyrepl.change c
            WHERE c.xid = ANY (ARRAY(SELECT pg_snapshot_xip(v_mark))));
END
$has_unrouted$;

COMMENT ON FUNCTION pyrepl.has_unrouted() IS
    'whether changes seem to wait for route; part of poll';
REVOKE ALL ON FUNCTION pyrepl.has_unrouted() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION pyrepl.has_unrouted() TO pyrepl_worker;
