-- Fan changes out: move change rows to outbox pairs, joining the enrollments of now.
-- Returns the number of change rows taken; NULL when another session is routing.
-- Changes, hosting, placements and enrollments are read in one snapshot, the one that is
-- kept as the mark. Writes: change, outbox, route_mark. Locks: the router's advisory lock.
CREATE OR REPLACE FUNCTION pyrepl.route()
RETURNS integer
LANGUAGE plpgsql
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET row_security = off
SET plan_cache_mode = force_generic_plan
SET enable_seqscan = off
SET enable_hashjoin = off
SET enable_mergejoin = off
SET jit = off
AS $route$
DECLARE
    v_mark pyrepl.route_mark;
    v_identity text := pyrepl.identity();
    v_last bigint := pyrepl.last_queued();
    v_xip xid8[];
    v_taken integer;
    v_seen pg_snapshot;
BEGIN
    PERFORM pyrepl.require_own_transaction();
    IF NOT pg_try_advisory_xact_lock(1887007344, 0) THEN
        RETURN NULL;
    END IF;
    SELECT m.* INTO v_mark FROM pyrepl.route_mark m
    WHERE m.identity = v_identity
        AND pg_snapshot_xmax(m.snapshot) <= pg_snapshot_xmax(pg_current_snapshot());
    v_mark.snapshot := coalesce(v_mark.snapshot, '1:1:');
    v_xip := ARRAY(SELECT pg_snapshot_xip(v_mark.snapshot));

    -- Counted is what the scan found: a row that somebody deletes meanwhile is not taken.
    WITH seen AS MATERIALIZED (
        SELECT d.ctid FROM pyrepl.change d
        WHERE d.xid >= pg_snapshot_xmax(v_mark.snapshot) OR d.xid = ANY (v_xip)
        LIMIT 5000
    ), taken AS (
        DELETE FROM pyrepl.change c
        WHERE c.ctid = ANY (ARRAY(SELECT s.ctid FROM seen s))
        RETURNING c.*
    ), pair AS MATERIALIZED (
        SELECT f.database_id, f.user_id, min(t.priority) AS priority, min(t.at) AS at
        FROM taken t
        CROSS JOIN LATERAL (
            -- users: wherever a copy is, and wherever they are members
            SELECT p.database_id, p.user_id
            FROM unnest(t.users) u(id)
            JOIN pyrepl.placement p ON p.user_id = u.id
            WHERE {reaches_copies} AND t.database_id IS NULL
            UNION
            SELECT h.database_id, u.id
            FROM unnest(t.users) u(id)
            CROSS JOIN LATERAL (  -- OFFSET 0: never by way of all members of a course
                SELECT * FROM {enrollment_table} o
                WHERE o.{enrollment_user} = u.id OFFSET 0) e
            JOIN pyrepl.hosting h ON h.course = e.{enrollment_course} AND h.active
            WHERE {reaches_copies} AND t.database_id IS NULL
            UNION
            -- enrollments: wherever the course is or was hosted
            SELECT h.database_id, u.id
            FROM unnest(t.users, t.courses) u(id, course)
            JOIN pyrepl.hosting h ON h.course = u.course
            WHERE t.database_id IS NULL
            UNION
            -- backfill and repair: these users of one database
            SELECT t.database_id, u.id
            FROM unnest(t.users) u(id)
            WHERE t.database_id IS NOT NULL
            UNION
            -- everybody (of one database, of some courses)
            SELECT h.database_id, e.{enrollment_user}
            FROM pyrepl.hosting h
            JOIN {enrollment_table} e ON e.{enrollment_course} = h.course
            WHERE t.users IS NULL AND h.database_id = coalesce(t.database_id, h.database_id)
                AND (t.courses IS NULL OR h.course = ANY (t.courses))
            UNION
            SELECT p.database_id, p.user_id
            FROM pyrepl.placement p
            WHERE t.users IS NULL AND t.courses IS NULL
                AND p.database_id = coalesce(t.database_id, p.database_id)
            UNION
            -- a delivery in hand may yet leave a copy that nothing else tells of
            SELECT o.database_id, o.user_id
            FROM pyrepl.outbox o
            WHERE t.users IS NULL AND t.courses IS NULL AND t.database_id IS NULL
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
        ORDER BY p.at
    )
    SELECT count(*), pg_current_snapshot() INTO v_taken, v_seen FROM seen;

    -- The mark moves once a second: versions of one row pile up too.
    IF v_taken < 5000
        AND coalesce(v_mark.saved_at, '-infinity') < clock_timestamp() - interval '1 s'
    THEN
        INSERT INTO pyrepl.route_mark (identity, snapshot, saved_at)
        VALUES (v_identity, v_seen, clock_timestamp())
        ON CONFLICT (singleton) DO UPDATE SET identity = excluded.identity,
            snapshot = excluded.snapshot, saved_at = excluded.saved_at;
    END IF;
    RETURN v_taken;
END
$route$;

COMMENT ON FUNCTION pyrepl.route() IS
    'moves changes to the outbox of every database concerned; returns how many, '
    'NULL if another session does';
REVOKE ALL ON FUNCTION pyrepl.route() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION pyrepl.route() TO pyrepl_worker;
