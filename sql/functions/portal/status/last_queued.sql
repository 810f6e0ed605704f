-- The highest id of the outbox so far: what was routed until now has none above it.
CREATE OR REPLACE FUNCTION pyrepl.last_queued()
RETURNS bigint
LANGUAGE plpgsql
STABLE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $last_queued$
BEGIN
    RETURN (
        SELECT s.last_value FROM pyrepl.outbox_id_seq s);
END
$last_queued$;

COMMENT ON FUNCTION pyrepl.last_queued() IS 'highest id given to an outbox row';
REVOKE ALL ON FUNCTION pyrepl.last_queued() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION pyrepl.last_queued() TO pyrepl_monitor;
