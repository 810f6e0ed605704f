-- A clock says that it is alive: a row for those who look, and a lock, which no death
-- outlives, for immediate deliveries: they do a clock's work where there is none. A worker
-- has it for its session, as it rests between transactions; serve for each of its own.
-- Writes: clock, once a second at most. Locks: the clocks' advisory lock, for the session.
CREATE OR REPLACE FUNCTION pyrepl.tick(p_kind text, p_name text)
RETURNS void
LANGUAGE plpgsql
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $tick$
BEGIN
    INSERT INTO pyrepl.clock AS c (kind, name, seen_at)
    VALUES (p_kind, p_name, clock_timestamp())
    ON CONFLICT (kind, name) DO UPDATE SET seen_at = excluded.seen_at
    WHERE c.seen_at
        NOT BETWEEN excluded.seen_at - interval '1 s' AND excluded.seen_at;
    DELETE FROM pyrepl.clock c WHERE c.seen_at
        NOT BETWEEN clock_timestamp() - interval '7 days' AND clock_timestamp();
    IF p_kind <> 'serve' AND NOT EXISTS (  -- pg_locks shows -2 as unsigned
        SELECT FROM pg_locks l
        WHERE l.locktype = 'advisory' AND l.classid = 1887007344
            AND l.objid = 4294967294 AND l.pid = pg_backend_pid())
    THEN
        PERFORM pg_try_advisory_lock_shared(1887007344, -2);
    END IF;
END
$tick$;

COMMENT ON FUNCTION pyrepl.tick(text, text) IS 'notes that a clock is alive';
REVOKE ALL ON FUNCTION pyrepl.tick(text, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION pyrepl.tick(text, text) TO pyrepl_worker;
