-- Send one batch of dossiers to one course database, in a transaction of its own.
-- Returns an outcome (see deliver_batch, and busy: another session delivers) and the number
-- of users sent. Raises whatever the push raises: then call delivery_failed in a new
-- transaction. Locks: the database's advisory lock.
CREATE OR REPLACE FUNCTION pyrepl.deliver(
    p_database integer, OUT outcome text, OUT users integer)
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
AS $deliver$
BEGIN
    PERFORM pyrepl.require_own_transaction();
    IF NOT pyrepl.lock_delivery(p_database) THEN
        outcome := 'busy';
        users := 0;
        RETURN;
    END IF;
    SELECT b.outcome, b.users INTO outcome, users
    FROM pyrepl.settings s, pyrepl.deliver_batch(p_database, s.batch, false) b;
END
$deliver$;

COMMENT ON FUNCTION pyrepl.deliver(integer) IS
    'delivers one batch to a course database; to be called as a statement of its own';
REVOKE ALL ON FUNCTION pyrepl.deliver(integer) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION pyrepl.deliver(integer) TO pyrepl_worker;
