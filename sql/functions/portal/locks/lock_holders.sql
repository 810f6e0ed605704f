-- Who holds our advisory locks in this database: any login can take one, and route and
-- deliver go on to something else where they cannot have it. what: route, delivery,
-- hosting, install; user: of one whom deliver leaves alone so long. waits_seconds: how
-- long changes have waited in vain for it. since: when the holder's transaction began,
-- where our owner may see it (pg_read_all_stats).
CREATE OR REPLACE FUNCTION pyrepl.lock_holders()
RETURNS TABLE (
    what text, name text, pid integer, role text, application text, state text,
    since timestamptz, waits_seconds double precision)
LANGUAGE sql
STABLE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $lock_holders$
    SELECT k.what, d.name, l.pid, a.usename::text, a.application_name, a.state,
        coalesce(a.xact_start, a.state_change, a.backend_start),
        extract(epoch FROM clock_timestamp() - CASE
            WHEN k.what = 'delivery' THEN (
                SELECT greatest(min(o.at), max(h.last_delivered_at))
                FROM pyrepl.outbox o JOIN pyrepl.health h USING (database_id)
                WHERE o.database_id = d.id AND o.id > 0 AND o.priority IN (0, 1)
                    AND o.id > pyrepl.outbox_mark_of(d.id, o.priority))
            WHEN k.what = 'user' THEN (
                SELECT min(o.at) FROM pyrepl.outbox o
                WHERE o.id > 0 AND o.priority IN (0, 1)  -- as user_lock has it
                    AND -1000 - (hashint8(o.user_id) & 1073741823) = n.key)
            WHEN k.what = 'route' THEN (
                SELECT greatest(min(c.at), (SELECT m.saved_at FROM pyrepl.route_mark m))
                FROM pyrepl.change c) END)::double precision
    FROM pg_locks l
    JOIN pg_stat_activity a ON a.pid = l.pid
    CROSS JOIN LATERAL (SELECT l.objid::bigint::bit(32)::integer AS key) n
    LEFT JOIN pyrepl.database d ON d.id = n.key
    CROSS JOIN LATERAL (
        SELECT CASE WHEN d.id IS NOT NULL THEN 'delivery' WHEN n.key = 0 THEN 'route'
            WHEN n.key = -1 THEN 'install'
            WHEN n.key <= -1000 AND l.mode = 'ExclusiveLock' THEN 'user'
            WHEN n.key = -3 AND l.mode = 'ExclusiveLock' THEN 'hosting' END AS what) k
    WHERE l.locktype = 'advisory' AND l.classid = 1887007344 AND l.objsubid = 2
        AND l.granted AND l.pid <> pg_backend_pid() AND k.what IS NOT NULL
        AND l.database = (SELECT b.oid FROM pg_database b
            WHERE b.datname = current_database());
$lock_holders$;

COMMENT ON FUNCTION pyrepl.lock_holders() IS
    'who holds advisory locks of ours, and for how long others have waited';
REVOKE ALL ON FUNCTION pyrepl.lock_holders() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION pyrepl.lock_holders() TO pyrepl_monitor;
