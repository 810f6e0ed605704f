-- Switch a course database to queued or immediate delivery. Returns whether that is
-- new. Writes: database, health, settings. Locks: the database's delivery; see
-- lock_delivery.
CREATE OR REPLACE FUNCTION pyrepl.set_delivery(p_database integer, p_delivery text)
RETURNS boolean
LANGUAGE plpgsql
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET lock_timeout = '90s'
AS $set_delivery$
BEGIN
    PERFORM pyrepl.require_databases(ARRAY[p_database]);
    PERFORM pyrepl.require_one_of('delivery', p_delivery, ARRAY['queued', 'immediate']);
    PERFORM pg_advisory_xact_lock(1887007344, p_database);
    UPDATE pyrepl.database d SET delivery = p_delivery
    WHERE d.id = p_database AND d.delivery <> p_delivery;
    IF NOT FOUND THEN
        RETURN false;
    END IF;
    -- Receipts may turn up after the end, too: settled they are from now on.
    UPDATE pyrepl.health h SET settle_at = now() WHERE h.database_id = p_database;
    PERFORM pyrepl.note_immediate();
    RETURN true;
END
$set_delivery$;

COMMENT ON FUNCTION pyrepl.set_delivery(integer, text) IS
    'switches a course database to queued or immediate delivery';
REVOKE ALL ON FUNCTION pyrepl.set_delivery(integer, text) FROM PUBLIC;
