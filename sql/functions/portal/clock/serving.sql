-- pyrepl.serve says which database it is about to serve (true) or has served (false): a
-- connection that dies in its COMMIT ends the CALL, and deliver must know whose it was.
-- Writes: health.
CREATE OR REPLACE FUNCTION pyrepl.serving(p_database integer, p_begins boolean)
RETURNS void
LANGUAGE sql
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $serving$
    UPDATE pyrepl.health h SET serving = CASE WHEN p_begins THEN pg_backend_pid() END
    WHERE h.database_id IN (  -- a writer that hangs may hold the row
        SELECT s.database_id FROM pyrepl.health s
        WHERE s.database_id = p_database AND CASE WHEN p_begins THEN s.serving IS NULL
            ELSE s.serving = pg_backend_pid() END
        FOR NO KEY UPDATE SKIP LOCKED);
$serving$;

COMMENT ON FUNCTION pyrepl.serving(integer, boolean) IS
    'records that this session is about to deliver, or has delivered, to a database';
REVOKE ALL ON FUNCTION pyrepl.serving(integer, boolean) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION pyrepl.serving(integer, boolean) TO pyrepl_worker;
