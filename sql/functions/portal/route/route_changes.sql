-- Fan changes out: move change rows to outbox pairs, joining the enrollments of now.
-- Returns the number of change rows taken, NULL when another session is routing, and the
-- databases that they concern. What route does, and where no clock runs, an immediate
-- delivery after its own.
-- Changes, hosting, placements and enrollments are read in one snapshot, the one that is
-- kept as the mark. Writes: change, outbox, route_mark. Locks: the router's advisory lock.
-- Slots: fan_out
CREATE OR REPLACE FUNCTION pyrepl.route_changes(OUT taken integer, OUT databases integer[])
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $route_changes$
DECLARE
    v_mark pyrepl.route_mark;
    v_identity text := pyrepl.identity();
    v_last bigint := pyrepl.last_queued();
    v_xip xid8[];
    v_seen pg_snapshot;
BEGIN
    IF NOT pg_try_advisory_xact_lock(1887007344, 0) THEN
        RETURN;
    END IF;
    SELECT m.* INTO v_mark FROM pyrepl.route_mark m
    WHERE m.identity = v_identity
        AND pg_snapshot_xmax(m.snapshot) <= pg_snapshot_xmax(pg_current_snapshot());
    v_mark.snapshot := coalesce(v_mark.snapshot, '1:1:');
    v_xip := ARRAY(SELECT pg_snapshot_xip(v_mark.snapshot));

    -- Counted is what the scan found: a row that somebody deletes meanwhile is not taken.
    WITH seen AS MATERIALIZED (
        SELECT d.ctid FROM pyrepl.change d WHERE d.xid = ANY (v_xip)
        UNION ALL
        SELECT d.ctid FROM pyrepl.change d WHERE d.xid >= pg_snapshot_xmax(v_mark.snapshot)
        LIMIT 5000
    ), taken AS (
        DELETE FROM pyrepl.change c
        WHERE c.ctid = ANY (ARRAY(SELECT s.ctid FROM seen s))
        RETURNING c.*
    ), pair AS MATERIALIZED (
        SELECT f.database_id, f.user_id, min(f.priority) AS priority, min(f.at) AS at
        FROM (
            {fan_out}
        ) f
        WHERE f.user_id IS NOT NULL  -- an enrollment may be nobody's
        GROUP BY f.database_id, f.user_id
    ), queued AS (
        INSERT INTO pyrepl.outbox (database_id, user_id, priority, at)
        SELECT p.database_id, p.user_id, p.priority, p.at
        FROM pair p
        JOIN pyrepl.database d ON d.id = p.database_id AND d.state <> 'removing'
        LEFT JOIN pyrepl.outbox_mark lm ON lm.database_id = p.database_id
            AND lm.priority = 0 AND lm.identity = v_identity AND lm.id <= v_last
        LEFT JOIN pyrepl.outbox_mark bm ON bm.database_id = p.database_id
            AND bm.priority = 1 AND bm.identity = v_identity AND bm.id <= v_last
        -- A pair that waits will carry this change too. One that is being delivered may
        -- not: its dossier was perhaps read before; deliver's row lock makes it skipped.
        LEFT JOIN LATERAL (
            SELECT true AS waits FROM pyrepl.outbox o
            WHERE o.database_id = p.database_id AND o.user_id = p.user_id
                AND o.priority = 0 AND o.id > coalesce(lm.id, 0)
            LIMIT 1 FOR KEY SHARE SKIP LOCKED
        ) live ON true
        LEFT JOIN LATERAL (
            SELECT true AS waits FROM pyrepl.outbox o
            WHERE o.database_id = p.database_id AND o.user_id = p.user_id
                AND o.priority = 1 AND p.priority = 1 AND o.id > coalesce(bm.id, 0)
            LIMIT 1 FOR KEY SHARE SKIP LOCKED
        ) bulk ON true
        WHERE live.waits IS NULL AND bulk.waits IS NULL
        ORDER BY p.at, p.user_id  -- neighbours come in one batch, and meet a page once
    )
    SELECT count(*), ARRAY(SELECT DISTINCT p.database_id FROM pair p), pg_current_snapshot()
    INTO taken, databases, v_seen FROM seen;

    -- The mark moves once a second: versions of one row pile up too. (A time in the future,
    -- here and elsewhere: the clock was set back.)
    IF taken < 5000 AND coalesce(v_mark.saved_at, '-infinity')
        NOT BETWEEN clock_timestamp() - interval '1 s' AND clock_timestamp()
    THEN
        INSERT INTO pyrepl.route_mark (identity, snapshot, saved_at)
        VALUES (v_identity, pyrepl.snapshot_with_self(v_seen), clock_timestamp())
        ON CONFLICT (singleton) DO UPDATE SET identity = excluded.identity,
            snapshot = excluded.snapshot, saved_at = excluded.saved_at;
    END IF;
END
$route_changes$;

COMMENT ON FUNCTION pyrepl.route_changes() IS
    'moves changes to the outbox; part of route and of deliver_at_commit';
REVOKE ALL ON FUNCTION pyrepl.route_changes() FROM PUBLIC;
