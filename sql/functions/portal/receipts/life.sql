-- This database since the start of its server; the same text in every session, whatever
-- its time zone. IMMUTABLE: no session sees it change, so plans keep it.
CREATE OR REPLACE FUNCTION pyrepl.life()
RETURNS text
LANGUAGE sql
IMMUTABLE
SET search_path = pg_catalog, pg_temp
AS $life$
    SELECT pyrepl.identity() || ' ' || extract(epoch FROM pg_postmaster_start_time());
$life$;

COMMENT ON FUNCTION pyrepl.life() IS 'this database since the start of its server';
REVOKE ALL ON FUNCTION pyrepl.life() FROM PUBLIC;
