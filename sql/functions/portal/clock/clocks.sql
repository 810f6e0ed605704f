-- The clocks that were seen, the latest first.
CREATE OR REPLACE FUNCTION pyrepl.clocks()
RETURNS TABLE (kind text, name text, seen_at timestamptz)
LANGUAGE sql
STABLE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $clocks$
    SELECT c.kind, c.name, c.seen_at FROM pyrepl.clock c ORDER BY c.seen_at DESC;
$clocks$;

COMMENT ON FUNCTION pyrepl.clocks() IS
    'who makes route and deliver run, and when it last did';
REVOKE ALL ON FUNCTION pyrepl.clocks() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION pyrepl.clocks() TO pyrepl_monitor;
