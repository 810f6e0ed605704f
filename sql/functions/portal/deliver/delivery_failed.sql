-- To be called when deliver raised, in a new transaction, with what it raised; the context
-- tells what a course said (see from_course). Returns the message as it is kept.
-- Does nothing while another session delivers: that one finds out for itself.
-- Where a rule of the course has swallowed rows (PR022), the link is closed: its session
-- keeps the plan that the rule has made empty, also when that is dropped.
-- Writes: health, own_failure. Locks: the database's advisory lock.
CREATE OR REPLACE FUNCTION pyrepl.delivery_failed(
    p_database integer, p_sqlstate text, p_message text, p_hint text, p_detail text,
    p_context text DEFAULT NULL)
RETURNS text
LANGUAGE plpgsql
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $delivery_failed$
BEGIN
    PERFORM pyrepl.require_own_transaction();
    IF p_sqlstate = 'PR022' THEN
        EXECUTE format('SELECT %I.postgres_fdw_disconnect(%L::text)', (
            SELECT n.nspname FROM pg_extension e
            JOIN pg_namespace n ON n.oid = e.extnamespace
            WHERE e.extname = 'postgres_fdw'), 'pyrepl_' || p_database);
    END IF;
    IF NOT pyrepl.lock_delivery(p_database) THEN
        RETURN NULL;
    ELSIF pyrepl.is_own_failure(p_sqlstate, p_context) THEN
        RETURN pyrepl.portal_failed(p_database, p_sqlstate, p_message, p_hint);
    END IF;
    RETURN (
        SELECT pyrepl.note_failure(
            h, coalesce(p_sqlstate, '08006'), p_message, p_hint, p_detail, p_context)
        FROM pyrepl.health h WHERE h.database_id = p_database);
END
$delivery_failed$;

COMMENT ON FUNCTION pyrepl.delivery_failed(integer, text, text, text, text, text) IS
    'records why deliver(database) raised; decides what the next deliver does';
REVOKE ALL ON FUNCTION pyrepl.delivery_failed(integer, text, text, text, text, text)
    FROM PUBLIC;
GRANT EXECUTE ON FUNCTION pyrepl.delivery_failed(integer, text, text, text, text, text)
    TO pyrepl_worker;
