-- What the last verifications found, of databases that are still there; the latest first.
CREATE OR REPLACE FUNCTION pyrepl.verifications(p_runs integer)
RETURNS TABLE (
    at timestamptz, name text, ok boolean, error text, structure integer, users bigint,
    missing bigint, stale bigint, extra bigint, former bigint, pending bigint,
    seconds double precision, by text)
LANGUAGE sql
STABLE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $verifications$
    SELECT v.at, v.name, v.ok, v.error, v.structure, v.users, v.missing, v.stale, v.extra,
        v.former, v.pending, v.seconds, v.by
    FROM pyrepl.verification v
    WHERE v.at IN (
            SELECT DISTINCT r.at FROM pyrepl.verification r ORDER BY r.at DESC LIMIT p_runs)
        AND (v.name = '' OR v.name IN (SELECT d.name FROM pyrepl.database d))
    ORDER BY v.at DESC, v.name;
$verifications$;

COMMENT ON FUNCTION pyrepl.verifications(integer) IS 'what the last runs of verify found';
REVOKE ALL ON FUNCTION pyrepl.verifications(integer) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION pyrepl.verifications(integer) TO pyrepl_monitor;
