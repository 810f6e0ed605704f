-- Wait until there are changes, p_for at most, and route them. Returns how many change rows
-- were taken (NULL when another session routes) and the databases to call deliver for: of
-- those that are concerned, or of all where nothing came or p_all is set.
-- It waits inside the server: a look there costs a hundredth of a question from outside,
-- so that a change is seen half a millisecond after its commit at the price of none.
-- Not SECURITY DEFINER and without SET, or it could not COMMIT: route's own transaction. So
-- it sets the path itself, as pyrepl.serve does.
CREATE OR REPLACE PROCEDURE pyrepl.poll(
    p_for interval, p_all boolean DEFAULT true,
    INOUT routed integer DEFAULT NULL, INOUT due integer[] DEFAULT NULL)
LANGUAGE plpgsql
AS $poll$
DECLARE
    v_until timestamp with time zone;
    v_pause double precision := 0.0002;
BEGIN
    PERFORM pg_catalog.set_config('search_path', 'pg_catalog, pg_temp', true);
    v_until := clock_timestamp() + p_for;
    WHILE NOT pyrepl.has_unrouted()
        AND clock_timestamp() BETWEEN v_until - p_for AND v_until  -- it may be set back
    LOOP
        PERFORM pg_sleep(v_pause);
        v_pause := least(v_pause * 1.1, 0.01);
    END LOOP;
    CALL pyrepl.commit_pinned();
    SELECT r.taken, r.databases INTO routed, due FROM pyrepl.route_batch() r;
    CALL pyrepl.commit_pinned();
    due := ARRAY(
        SELECT d FROM pyrepl.due(CASE WHEN routed > 0 AND NOT p_all THEN due END) d);
END
$poll$;

COMMENT ON PROCEDURE pyrepl.poll(interval, boolean, integer, integer[]) IS
    'waits for changes, routes them and says which databases are due; CALL it outside of '
    'a transaction';
REVOKE ALL ON PROCEDURE pyrepl.poll(interval, boolean, integer, integer[]) FROM PUBLIC;
GRANT EXECUTE ON PROCEDURE pyrepl.poll(interval, boolean, integer, integer[])
    TO pyrepl_worker;
