-- Let dossiers that failed be tried at once, with all attempts before them. Returns how
-- many. Under the delivery lock: deliver writes these rows too, from what it has read
-- before. Writes: retry. Locks: the database's delivery.
CREATE OR REPLACE FUNCTION pyrepl.retry_dead_letters(
    p_database integer, p_letters bigint[])
RETURNS integer
LANGUAGE plpgsql
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET lock_timeout = '90s'
AS $retry_dead_letters$
DECLARE
    v_found integer;
BEGIN
    PERFORM pyrepl.require_databases(ARRAY[p_database]);
    PERFORM pg_advisory_xact_lock(1887007344, p_database);
    UPDATE pyrepl.retry r SET due_at = clock_timestamp(), attempts = 0
    WHERE r.database_id = p_database AND r.id = ANY (p_letters);
    GET DIAGNOSTICS v_found = ROW_COUNT;
    RETURN v_found;
END
$retry_dead_letters$;

COMMENT ON FUNCTION pyrepl.retry_dead_letters(integer, bigint[]) IS
    'lets dossiers that failed be tried again at once';
REVOKE ALL ON FUNCTION pyrepl.retry_dead_letters(integer, bigint[]) FROM PUBLIC;
