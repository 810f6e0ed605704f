-- Where no clock is alive, and no database queued, a writer does a clock's work for a
-- database with immediate delivery: routes, probes after a failure, settles receipts, and
-- takes up a small slice of what an outage left behind. One writer at a time; never raises.
-- Part of deliver_at_commit.
-- Locks: the clocks' advisory lock, the router's, the database's.
CREATE OR REPLACE FUNCTION pyrepl.deliver_without_clock(p_database integer)
RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $deliver_without_clock$
DECLARE
    v_outcome text := 'isolating';
    v_sqlstate text;
    v_message text;
    v_hint text;
    v_detail text;
    v_context text;
BEGIN
    -- The router's lock goes with the COMMIT, which a course may hold up: queued databases
    -- are not to wait for that, and need a clock anyway.
    IF EXISTS (SELECT FROM pyrepl.database d WHERE d.delivery = 'queued')
        OR NOT pg_try_advisory_xact_lock(1887007344, -2)
    THEN
        RETURN;
    END IF;
    PERFORM pyrepl.route_changes();
    IF NOT EXISTS (SELECT FROM pyrepl.due(ARRAY[p_database]))
        OR NOT pg_try_advisory_xact_lock(1887007344, p_database)
    THEN
        RETURN;
    END IF;
    IF current_setting('synchronous_commit') IN ('off', 'local') THEN
        PERFORM set_config('synchronous_commit', 'on', true);
    END IF;
    -- A probe, the choice of a batch, a slice: a failure takes back its own step alone.
    WHILE v_outcome IN ('probed', 'isolating') LOOP
        BEGIN
            SELECT b.outcome INTO v_outcome
            FROM pyrepl.deliver_batch(p_database, 20, true) b;
        EXCEPTION WHEN OTHERS OR query_canceled OR assert_failure THEN
            GET STACKED DIAGNOSTICS v_sqlstate = RETURNED_SQLSTATE,
                v_message = MESSAGE_TEXT, v_hint = PG_EXCEPTION_HINT,
                v_detail = PG_EXCEPTION_DETAIL, v_context = PG_EXCEPTION_CONTEXT;
            IF v_sqlstate = '57014' AND NOT pyrepl.from_course(v_context) THEN
                RAISE;  -- it is the writer who is cancelled
            END IF;
            -- Of a failed connection the detail tells host, port and reason.
            IF v_sqlstate LIKE '08%' AND v_detail <> '' THEN
                v_message := regexp_replace(v_detail, '\s+', ' ', 'g');
            END IF;
            v_outcome := 'failed';
        END;
    END LOOP;
    IF v_outcome = 'failed' THEN
        PERFORM CASE WHEN pyrepl.is_own_failure(v_sqlstate, v_context)
            THEN pyrepl.portal_failed(p_database, v_sqlstate, v_message, nullif(v_hint, ''))
            ELSE pyrepl.note_failure(h, v_sqlstate, v_message, nullif(v_hint, ''), v_detail,
                v_context) END
        FROM pyrepl.health h WHERE h.database_id = p_database;
    END IF;
EXCEPTION WHEN OTHERS THEN
    NULL;  -- a migration has taken a key column away: no writer is to fail by that
END
$deliver_without_clock$;

COMMENT ON FUNCTION pyrepl.deliver_without_clock(integer) IS
    'routes and delivers a little where no clock does; part of deliver_at_commit';
REVOKE ALL ON FUNCTION pyrepl.deliver_without_clock(integer) FROM PUBLIC;
