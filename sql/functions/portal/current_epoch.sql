-- The epoch of receipts: a random value that goes with any crash, promotion or restore, as
-- its table is UNLOGGED, and with a start of the server: a cold copy keeps the table.
-- Without it the same transaction number could stand for another transaction.
-- Writes: epoch, where there is none.
CREATE OR REPLACE FUNCTION pyrepl.current_epoch()
RETURNS uuid
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $current_epoch$
DECLARE
    v_identity text := pyrepl.identity() || ' ' || pg_postmaster_start_time();
    v_epoch uuid;
BEGIN
    SELECT e.value INTO v_epoch FROM pyrepl.epoch e WHERE e.identity = v_identity;
    IF v_epoch IS NULL THEN
        INSERT INTO pyrepl.epoch AS e (identity) VALUES (v_identity)
        ON CONFLICT (singleton) DO UPDATE
        SET identity = excluded.identity,
            value = CASE WHEN e.identity = excluded.identity THEN e.value
                ELSE excluded.value END
        RETURNING e.value INTO v_epoch;
    END IF;
    RETURN v_epoch;
END
$current_epoch$;

COMMENT ON FUNCTION pyrepl.current_epoch() IS
    'the value by which receipts are known to be of this life of the server';
REVOKE ALL ON FUNCTION pyrepl.current_epoch() FROM PUBLIC;
