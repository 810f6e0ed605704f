-- Where no clock is alive, a writer does a clock's work for a database with immediate
-- delivery: routes, probes after a failure, settles receipts, and takes up a small slice of
-- what an outage left behind. One writer at a time; never raises. Part of deliver_now.
-- Locks: the clocks' advisory lock, the router's, the database's.
CREATE OR REPLACE FUNCTION pyrepl.stand_in_for_a_clock(p_database integer)
RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $stand_in_for_a_clock$
DECLARE
    v_health pyrepl.health;
    v_outcome text;
    v_sqlstate text;
    v_message text;
    v_hint text;
    v_detail text;
BEGIN
    IF NOT pg_try_advisory_xact_lock(1887007344, -2) THEN
        RETURN;
    END IF;
    BEGIN
        PERFORM pyrepl.route_changes();
        IF NOT EXISTS (SELECT FROM pyrepl.due() d WHERE d = p_database)
            OR NOT pg_try_advisory_xact_lock(1887007344, p_database)
        THEN
            RETURN;
        END IF;
        IF current_setting('synchronous_commit') IN ('off', 'local') THEN
            PERFORM set_config('synchronous_commit', 'on', true);
        END IF;
        SELECT h.* INTO v_health FROM pyrepl.health h WHERE h.database_id = p_database;
        FOR v_step IN 1..3 LOOP  -- a probe, an intent, a slice
            SELECT b.outcome INTO v_outcome
            FROM pyrepl.deliver_batch(p_database, 20, true) b;
            EXIT WHEN v_outcome NOT IN ('probed', 'isolating');
        END LOOP;
        RETURN;
    EXCEPTION WHEN OTHERS THEN
        GET STACKED DIAGNOSTICS v_sqlstate = RETURNED_SQLSTATE,
            v_message = MESSAGE_TEXT, v_hint = PG_EXCEPTION_HINT,
            v_detail = PG_EXCEPTION_DETAIL;
    END;
    IF v_health.database_id IS NOT NULL THEN
        PERFORM pyrepl.note_failure(
            v_health, v_sqlstate, v_message, nullif(v_hint, ''), v_detail);
    END IF;
END
$stand_in_for_a_clock$;

COMMENT ON FUNCTION pyrepl.stand_in_for_a_clock(integer) IS
    'routes and delivers a little where no clock does; part of deliver_now';
REVOKE ALL ON FUNCTION pyrepl.stand_in_for_a_clock(integer) FROM PUBLIC;
