-- A clock says that it is alive. Writes: clock, once a second at most.
CREATE OR REPLACE FUNCTION pyrepl.tick(p_kind text, p_name text)
RETURNS void
LANGUAGE sql
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $tick$
    INSERT INTO pyrepl.clock AS c (kind, name, seen_at)
    VALUES (p_kind, p_name, clock_timestamp())
    ON CONFLICT (kind, name) DO UPDATE SET seen_at = excluded.seen_at
    WHERE c.seen_at < excluded.seen_at - interval '1 s';
    DELETE FROM pyrepl.clock c WHERE c.seen_at < clock_timestamp() - interval '7 days';
$tick$;

COMMENT ON FUNCTION pyrepl.tick(text, text) IS 'notes that a clock is alive';
REVOKE ALL ON FUNCTION pyrepl.tick(text, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION pyrepl.tick(text, text) TO pyrepl_worker;
