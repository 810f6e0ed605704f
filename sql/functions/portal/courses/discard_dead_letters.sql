-- Give dossiers up that are not tried again by themselves. Returns the numbers of those
-- that were there. Writes: retry. Locks: the database's delivery.
CREATE OR REPLACE FUNCTION pyrepl.discard_dead_letters(
    p_database integer, p_letters bigint[])
RETURNS SETOF bigint
LANGUAGE plpgsql
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET lock_timeout = '90s'
AS $discard_dead_letters$
BEGIN
    PERFORM pyrepl.require_databases(ARRAY[p_database]);
    PERFORM pg_advisory_xact_lock(1887007344, p_database);
    RETURN QUERY
    DELETE FROM pyrepl.retry r
    WHERE r.database_id = p_database AND r.id = ANY (p_letters) AND r.due_at IS NULL
    RETURNING r.id;
END
$discard_dead_letters$;

COMMENT ON FUNCTION pyrepl.discard_dead_letters(integer, bigint[]) IS
    'gives dead letters up';
REVOKE ALL ON FUNCTION pyrepl.discard_dead_letters(integer, bigint[]) FROM PUBLIC;
