-- pyrepl.serve says which database it is about to serve (true) or has served (false): a
-- connection that dies in its COMMIT ends the CALL, and deliver must know whose it was.
-- Where an earlier CALL of this session has left that behind, the course has ended it with
-- an error in COMMIT: that is a failure, of which this CALL is not to die again.
-- Writes: health. Locks: the database's advisory lock.
CREATE OR REPLACE FUNCTION pyrepl.serving(p_database integer, p_begins boolean)
RETURNS void
LANGUAGE plpgsql
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $serving$
BEGIN
    IF p_begins AND EXISTS (SELECT FROM pyrepl.health h
        WHERE h.database_id = p_database AND h.serving = pg_backend_pid())
    THEN
        PERFORM pyrepl.delivery_failed(p_database, '08006',
            'a delivery failed in its COMMIT at the course', NULL, NULL);
    END IF;
    UPDATE pyrepl.health h SET serving = CASE WHEN p_begins THEN pg_backend_pid() END
    WHERE h.database_id IN (  -- a writer that hangs may hold the row
        SELECT s.database_id FROM pyrepl.health s
        WHERE s.database_id = p_database AND CASE WHEN p_begins THEN s.serving IS NULL
            ELSE s.serving = pg_backend_pid() END
        FOR NO KEY UPDATE SKIP LOCKED);
END
$serving$;

COMMENT ON FUNCTION pyrepl.serving(integer, boolean) IS
    'records that this session is about to deliver, or has delivered, to a database';
REVOKE ALL ON FUNCTION pyrepl.serving(integer, boolean) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION pyrepl.serving(integer, boolean) TO pyrepl_worker;
