-- Send one batch of dossiers to one course database, in a transaction of its own.
-- Returns an outcome and the number of users sent: delivered, idle (nothing waits),
-- probed (empty push went through), isolating (a batch was recorded, call again), busy
-- (another session delivers), waiting (backing off), paused.
-- Raises whatever the push raises: then call delivery_failed in a new transaction.
-- Writes: outbox, placement, retry, chain, health, outbox_mark, database.
-- Locks: the database's advisory lock, claimed outbox rows.
CREATE OR REPLACE FUNCTION pyrepl.deliver(
    p_database integer, OUT outcome text, OUT users integer)
LANGUAGE plpgsql
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET row_security = off
SET plan_cache_mode = force_generic_plan
SET enable_seqscan = off
SET enable_hashjoin = off
SET enable_mergejoin = off
SET jit = off
AS $deliver$
DECLARE
    v_database pyrepl.database;
    v_health pyrepl.health;
    v_claim record;
    v_problem text;
BEGIN
    users := 0;
    PERFORM pyrepl.require_own_transaction();
    IF NOT pg_try_advisory_xact_lock(1887007344, p_database) THEN
        outcome := 'busy';
        RETURN;
    END IF;
    SELECT d.* INTO v_database FROM pyrepl.database d WHERE d.id = p_database;
    SELECT h.* INTO v_health FROM pyrepl.health h WHERE h.database_id = p_database;
    IF v_database.state IS NULL OR v_database.state IN ('paused', 'removing') THEN
        outcome := 'paused';
        RETURN;
    END IF;
    IF v_health.serving IS NOT NULL AND NOT EXISTS (
        SELECT FROM pg_stat_activity a WHERE a.pid = v_health.serving)
    THEN
        -- A pyrepl.serve died with its connection to this database: that is a failure.
        PERFORM pyrepl.note_failure(
            v_health, '08006', 'the connection was lost during a delivery', NULL);
        outcome := 'isolating';
        RETURN;
    END IF;
    IF v_health.retry_at > clock_timestamp() THEN
        outcome := 'waiting';
        RETURN;
    END IF;
    v_problem := pyrepl.contract_problem(v_database.contract_id);
    IF v_problem IS NOT NULL THEN
        RAISE '%', v_problem USING ERRCODE = 'PR012', HINT = format(
            'Run "pyreplctl install", then "pyreplctl course refresh %s".',
            v_database.name);
    END IF;

    IF v_health.phase = 'probe' THEN
        PERFORM pyrepl.send(v_database, '{}');
        PERFORM pyrepl.note_probe(v_health);
        outcome := 'probed';
        RETURN;
    END IF;
    IF v_health.intent IS NULL AND pyrepl.form_intent(v_health) THEN
        outcome := 'isolating';
        RETURN;
    END IF;

    SELECT c.* INTO v_claim FROM pyrepl.claim(
        p_database, v_health.intent, (SELECT s.batch FROM pyrepl.settings s)) c;
    IF cardinality(v_claim.users) > 0 THEN
        PERFORM pyrepl.send(v_database, v_claim.users);
    END IF;
    IF v_claim.tids IS NOT NULL THEN
        DELETE FROM pyrepl.outbox o WHERE o.ctid = ANY (v_claim.tids);
    END IF;
    PERFORM pyrepl.note_success(v_database, v_health, v_claim.last_ids);
    users := cardinality(v_claim.users);
    outcome := CASE WHEN users > 0 THEN 'delivered'
        WHEN EXISTS (SELECT FROM pyrepl.retry r
            WHERE r.database_id = p_database AND r.due_at <= clock_timestamp())
            THEN 'isolating'
        ELSE 'idle' END;
END
$deliver$;

COMMENT ON FUNCTION pyrepl.deliver(integer) IS
    'delivers one batch to a course database; to be called as a statement of its own';
REVOKE ALL ON FUNCTION pyrepl.deliver(integer) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION pyrepl.deliver(integer) TO pyrepl_worker;
