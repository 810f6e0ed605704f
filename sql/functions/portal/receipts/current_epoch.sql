-- The epoch of receipts: a random value that goes with any crash, promotion or restore, as
-- its table is UNLOGGED, and with a start of the server: a cold copy keeps the table.
-- Without it the same transaction number could stand for another transaction.
-- The first writers after a start may each make one: none waits for another, whose COMMIT
-- may hang. All of this life of the server are good. Writes: epoch, where there is none.
CREATE OR REPLACE FUNCTION pyrepl.current_epoch()
RETURNS uuid
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $current_epoch$
DECLARE
    v_identity text := pyrepl.server_start_id();
    v_epoch uuid := (
        SELECT e.value FROM pyrepl.epoch e WHERE e.identity = v_identity LIMIT 1);
BEGIN
    IF v_epoch IS NULL THEN
        DELETE FROM pyrepl.epoch e
        WHERE e.ctid = ANY (ARRAY(
            SELECT o.ctid FROM pyrepl.epoch o WHERE o.identity <> v_identity
            FOR UPDATE SKIP LOCKED));
        INSERT INTO pyrepl.epoch AS e (identity) VALUES (v_identity)
        RETURNING e.value INTO v_epoch;
    END IF;
    RETURN v_epoch;
END
$current_epoch$;

COMMENT ON FUNCTION pyrepl.current_epoch() IS
    'a value by which receipts are known to be of this life of the server';
REVOKE ALL ON FUNCTION pyrepl.current_epoch() FROM PUBLIC;
