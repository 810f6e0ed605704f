-- Take the right to deliver to a database, for this transaction. Returns whether it was to
-- be had: another session may be delivering. Immediate pushes share it, one following the
-- other, so with them it is waited for up to two seconds; if they do not come to an end in
-- that time the database is stalled, and no new ones begin for a while.
-- Writes: health. Locks: the database's advisory lock.
CREATE OR REPLACE FUNCTION pyrepl.lock_delivery(p_database integer)
RETURNS boolean
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
SET lock_timeout = '2s'
AS $lock_delivery$
BEGIN
    IF pg_try_advisory_xact_lock(1887007344, p_database) THEN
        RETURN true;
    END IF;
    IF NOT EXISTS (SELECT FROM pyrepl.database d
        WHERE d.id = p_database AND d.delivery = 'immediate')
    THEN
        RETURN false;
    END IF;
    PERFORM pg_advisory_xact_lock(1887007344, p_database);
    RETURN true;
EXCEPTION WHEN lock_not_available THEN
    UPDATE pyrepl.health h SET stalled_at = clock_timestamp()
    WHERE h.database_id = p_database;
    RETURN false;
END
$lock_delivery$;

COMMENT ON FUNCTION pyrepl.lock_delivery(integer) IS
    'takes the advisory lock of a database, and says whether it could; part of deliver';
REVOKE ALL ON FUNCTION pyrepl.lock_delivery(integer) FROM PUBLIC;
