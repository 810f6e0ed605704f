-- Users whose dossiers at a course database come from an immediate push that, for all the
-- portal knows, never happened. They wait for deliver to settle that: pending, no drift.
CREATE OR REPLACE FUNCTION pyrepl.phantoms(p_database integer)
RETURNS bigint[]
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $phantoms$
BEGIN
    IF EXISTS (SELECT FROM pyrepl.health h
        WHERE h.database_id = p_database AND h.settle_at IS NOT NULL)
    THEN
        RETURN ARRAY(
            SELECT u.id FROM pyrepl.receipts(p_database, false) r, unnest(r.users) u(id)
            WHERE r.phantom);
    END IF;
    RETURN '{}';
END
$phantoms$;

COMMENT ON FUNCTION pyrepl.phantoms(integer) IS
    'users of unsettled immediate pushes that did not commit; part of verify';
REVOKE ALL ON FUNCTION pyrepl.phantoms(integer) FROM PUBLIC;
