-- Why a database does not take what it should: its health, the portal's own failures, of
-- the dossiers set aside the ten that failed last, each with how many there are.
CREATE OR REPLACE FUNCTION pyrepl.failures(p_database integer)
RETURNS TABLE (
    user_id bigint, dead boolean, sqlstate text, message text, hint text,
    due_at timestamptz, of_all bigint)
LANGUAGE sql
STABLE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $failures$
    SELECT NULL::bigint, false, h.sqlstate, h.message, h.hint, h.retry_at, 1
    FROM pyrepl.health h
    WHERE h.database_id = p_database AND h.health <> 'ok'
    UNION ALL
    SELECT NULL, false, f.sqlstate, f.message, f.hint, NULL, 1
    FROM pyrepl.own_failure f
    WHERE f.database_id IN (p_database, 0)
    UNION ALL
    (SELECT r.user_id, r.due_at IS NULL, r.sqlstate, r.message, r.hint, r.due_at,
        count(*) OVER ()
    FROM pyrepl.retry r
    WHERE r.database_id = p_database
    ORDER BY r.failed_at DESC, r.user_id
    LIMIT 10);
$failures$;

COMMENT ON FUNCTION pyrepl.failures(integer) IS
    'what keeps dossiers from being delivered to a database';
REVOKE ALL ON FUNCTION pyrepl.failures(integer) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION pyrepl.failures(integer) TO pyrepl_worker, pyrepl_monitor;
