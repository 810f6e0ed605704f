-- Take the right to deliver to a database, for this transaction. Returns whether it was to
-- be had: another session may be delivering. Immediate pushes share it, one following the
-- other, so with them it is waited for up to two seconds; if they do not come to an end in
-- that time the database is stalled: no new ones begin, and it is not waited for again.
-- A writer that failed here may hang elsewhere and hold the row of health: then not now.
-- Writes: health. Locks: the database's advisory lock; its row of health.
CREATE OR REPLACE FUNCTION pyrepl.lock_delivery(p_database integer)
RETURNS boolean
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
SET lock_timeout = '2s'
AS $lock_delivery$
DECLARE
    v_locked boolean := pg_try_advisory_xact_lock(1887007344, p_database);
BEGIN
    IF NOT EXISTS (SELECT FROM pyrepl.database d
        WHERE d.id = p_database AND d.delivery = 'immediate')
    THEN
        RETURN v_locked;
    END IF;
    IF NOT v_locked AND NOT EXISTS (SELECT FROM pyrepl.health h
        WHERE h.database_id = p_database
            AND h.stalled_at
                BETWEEN clock_timestamp() - interval '5 s' AND clock_timestamp())
    THEN
        BEGIN
            PERFORM pg_advisory_xact_lock(1887007344, p_database);
            v_locked := true;
        EXCEPTION WHEN lock_not_available THEN
            NULL;
        END;
    END IF;
    PERFORM FROM pyrepl.health h WHERE h.database_id = p_database
    FOR NO KEY UPDATE SKIP LOCKED;
    IF v_locked OR NOT FOUND THEN
        RETURN v_locked AND FOUND;
    END IF;
    UPDATE pyrepl.health h SET stalled_at = clock_timestamp()
    WHERE h.database_id = p_database
        AND coalesce(h.stalled_at, '-infinity')
            NOT BETWEEN clock_timestamp() - interval '1 s' AND clock_timestamp();
    RETURN false;
END
$lock_delivery$;

COMMENT ON FUNCTION pyrepl.lock_delivery(integer) IS
    'takes the advisory lock of a database, and says whether it could; part of deliver';
REVOKE ALL ON FUNCTION pyrepl.lock_delivery(integer) FROM PUBLIC;
