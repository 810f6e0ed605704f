-- Immediate delivery, in the writer's COMMIT: the dossiers that this transaction changed go
-- to the databases that want them at once. Deferred trigger of change; the first call does
-- it for all, what stays a clock sends. Dossiers are read after the users' locks were
-- taken, in a younger snapshot: of two writers of one user the later one sends what both
-- have written. Deliver leaves users alone whose lock is taken: it might not see them.
-- Writes: as push_at_commit and take_delivered. Locks: users; hosting, databases (shared).
-- Slots: fan_out_users
CREATE OR REPLACE FUNCTION pyrepl.deliver_at_commit()
RETURNS trigger
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
SET lock_timeout = '500ms'
AS $deliver_at_commit$
DECLARE
    v_xid xid8 := pg_current_xact_id();
    v_covered numeric := (
        SELECT s[2]::numeric FROM regexp_match(current_setting('pyrepl.delivered_at', true),
            '^([0-9]{{1,20}}) ([0-9]{{1,12}}[.][0-9]{{6}})$') s WHERE s[1] = v_xid::text);
    v_users bigint[];
    v_target pyrepl.change;
    v_targets pyrepl.change[];
    v_delivered integer[] := '{{}}';
    v_left pyrepl.change[] := '{{}}';
BEGIN
    -- Covered by an earlier call of this very transaction? For itself anybody may set it.
    IF extract(epoch FROM NEW.at) <= v_covered
        OR current_setting('transaction_isolation') <> 'read committed'
        OR current_setting('transaction_read_only') = 'on'
    THEN
        RETURN NULL;
    END IF;
    PERFORM set_config('pyrepl.delivered_at',
        v_xid || ' ' || extract(epoch FROM clock_timestamp()), true);
    -- Nothing may reach the writer. Around a push a block is two round trips.
    BEGIN
        v_users := ARRAY(
            SELECT DISTINCT u.id FROM pyrepl.change c
            CROSS JOIN LATERAL unnest(c.users) u(id)
            WHERE c.xid = v_xid AND c.database_id IS NULL LIMIT 21);
        IF cardinality(v_users) > 20 OR to_regproc('pyrepl.push_at_commit') IS NULL
            OR to_regproc('pyrepl.take_delivered') IS NULL
            OR to_regproc('pyrepl.deliver_without_clock') IS NULL
            OR NOT pg_try_advisory_xact_lock_shared(1887007344, -3)  -- see lock_hosting
        THEN
            RETURN NULL;
        END IF;
        PERFORM pyrepl.lock_users(v_users);
        WITH taken AS MATERIALIZED (
            SELECT * FROM pyrepl.change c
            WHERE c.xid = v_xid AND c.users IS NOT NULL AND c.database_id IS NULL)
        SELECT coalesce(array_agg(ROW(v_xid, d.users, NULL, b.id, 0, NEW.at, b.delivery =
            'immediate')::pyrepl.change ORDER BY b.id), '{{}}') INTO v_targets
        FROM (
            SELECT f.database_id, array_agg(DISTINCT f.user_id) AS users
            FROM ({fan_out_users}) f GROUP BY f.database_id) d
        JOIN pyrepl.database b ON b.id = d.database_id;
    EXCEPTION WHEN OTHERS THEN
        RETURN NULL;  -- a lock that was not to be had, or a migration under way
    END;

    FOREACH v_target IN ARRAY v_targets LOOP
        IF v_target.immediate
            AND pyrepl.push_at_commit(v_target.database_id, v_target.users) THEN
            v_delivered := v_delivered || v_target.database_id;
        ELSE
            v_target.immediate := false;
            v_left := v_left || v_target;
        END IF;
    END LOOP;

    IF v_delivered <> '{{}}' OR cardinality(v_left) = 0 THEN
        PERFORM pyrepl.take_delivered(v_xid, v_left);
    END IF;
    PERFORM pyrepl.deliver_without_clock(t.database_id)
    FROM unnest(v_targets) t WHERE t.immediate;
    RETURN NULL;
END
$deliver_at_commit$;

COMMENT ON FUNCTION pyrepl.deliver_at_commit() IS
    'delivers a transaction''s changes in its COMMIT, where a database wants that';
REVOKE ALL ON FUNCTION pyrepl.deliver_at_commit() FROM PUBLIC;
