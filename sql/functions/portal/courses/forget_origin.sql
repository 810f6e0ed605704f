-- The last step of forgetting on a copy of the portal, when no course database is left:
-- what waited for them waits no longer, what they may have missed is nobody's, and numbers
-- up to p_last are the original's.
-- Writes: change, settings, uncaptured, and as keep_table_states. Locks: the router.
CREATE OR REPLACE FUNCTION pyrepl.forget_origin(p_last integer)
RETURNS void
LANGUAGE plpgsql
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET lock_timeout = '90s'
AS $forget_origin$
BEGIN
    IF p_last IS NULL OR EXISTS (SELECT FROM pyrepl.database) THEN
        RAISE 'course databases are still registered' USING ERRCODE = 'PR041',
            HINT = 'Each is forgotten first.';
    END IF;
    PERFORM pg_advisory_xact_lock(1887007344, 0);
    DELETE FROM pyrepl.change;
    DELETE FROM pyrepl.uncaptured;
    PERFORM pyrepl.keep_table_states();
    UPDATE pyrepl.settings s SET forgotten = greatest(s.forgotten, p_last);
END
$forget_origin$;

COMMENT ON FUNCTION pyrepl.forget_origin(integer) IS
    'ends what a copy of the portal knew of the course databases of the original';
REVOKE ALL ON FUNCTION pyrepl.forget_origin(integer) FROM PUBLIC;
