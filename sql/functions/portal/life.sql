-- This database since the start of its server; the same text in every session, whatever
-- its time zone.
CREATE OR REPLACE FUNCTION pyrepl.life()
RETURNS text
LANGUAGE sql
STABLE
SET search_path = pg_catalog, pg_temp
AS $life$
    SELECT pyrepl.identity() || ' ' || extract(epoch FROM pg_postmaster_start_time());
$life$;

COMMENT ON FUNCTION pyrepl.life() IS 'this database since the start of its server';
REVOKE ALL ON FUNCTION pyrepl.life() FROM PUBLIC;
