-- Let route queue the dossiers of all members of course databases again (p_users NULL),
-- or of some users. Writes: change, database.
CREATE OR REPLACE FUNCTION pyrepl.queue_members(p_databases integer[], p_users bigint[])
RETURNS void
LANGUAGE plpgsql
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $queue_members$
BEGIN
    PERFORM pyrepl.require_databases(p_databases);
    IF array_position(p_users, NULL) IS NOT NULL THEN
        RAISE 'users are named by their ids' USING ERRCODE = 'PR041',
            HINT = 'NULL instead of an array stands for all members.';
    END IF;
    INSERT INTO pyrepl.change (database_id, users, priority)
    SELECT n, p_users, 1 FROM unnest(p_databases) n;
    IF p_users IS NULL THEN
        UPDATE pyrepl.database d SET state = 'backfilling'
        WHERE d.id = ANY (p_databases) AND d.state = 'active';
    END IF;
END
$queue_members$;

COMMENT ON FUNCTION pyrepl.queue_members(integer[], bigint[]) IS
    'queues dossiers again: backfill and repair';
REVOKE ALL ON FUNCTION pyrepl.queue_members(integer[], bigint[]) FROM PUBLIC;
