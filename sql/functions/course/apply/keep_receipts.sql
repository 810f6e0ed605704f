-- Keep the receipt of an immediate push (one with a transaction number), and forget those
-- that the portal has settled. Part of apply. Writes: receipt.
CREATE OR REPLACE FUNCTION pyrepl.keep_receipts(
    p_settled bigint[], p_xid xid8, p_epoch uuid, p_users bigint[])
RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $keep_receipts$
BEGIN
    IF p_settled <> '{}' THEN
        DELETE FROM pyrepl.receipt r WHERE r.id = ANY (p_settled);
    END IF;
    IF p_xid IS NOT NULL THEN
        INSERT INTO pyrepl.receipt (xid, epoch, users) VALUES (p_xid, p_epoch, p_users);
    END IF;
END
$keep_receipts$;

COMMENT ON FUNCTION pyrepl.keep_receipts(bigint[], xid8, uuid, bigint[]) IS
    'keeps track of immediate pushes for the portal to settle; part of apply';
REVOKE ALL ON FUNCTION pyrepl.keep_receipts(bigint[], xid8, uuid, bigint[]) FROM PUBLIC;
