-- Keep deliveries to a database out while verify looks: until the block ends in which this
-- is called. Looks share the lock. Immediate pushes do, too, so with these it is taken
-- whole; the mode is read again under the lock, without which it cannot change.
-- Locks: the database's advisory lock.
CREATE OR REPLACE FUNCTION pyrepl.lock_look(p_database integer)
RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $lock_look$
BEGIN
    IF EXISTS (SELECT FROM pyrepl.database d
        WHERE d.id = p_database AND d.delivery = 'queued')
    THEN
        PERFORM pg_advisory_xact_lock_shared(1887007344, p_database);
    END IF;
    IF EXISTS (SELECT FROM pyrepl.database d
        WHERE d.id = p_database AND d.delivery = 'immediate')
    THEN
        PERFORM pg_advisory_xact_lock(1887007344, p_database);
    END IF;
END
$lock_look$;

COMMENT ON FUNCTION pyrepl.lock_look(integer) IS
    'keeps deliveries out while verify looks; part of recheck_users';
REVOKE ALL ON FUNCTION pyrepl.lock_look(integer) FROM PUBLIC;
