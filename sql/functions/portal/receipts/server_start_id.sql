-- This database since the start of its server; the same text in every session, whatever
-- its time zone. IMMUTABLE: no session sees it change, so plans keep it.
CREATE OR REPLACE FUNCTION pyrepl.server_start_id()
RETURNS text
LANGUAGE sql
IMMUTABLE
SET search_path = pg_catalog, pg_temp
AS $server_start_id$
    SELECT pyrepl.identity() || ' ' || extract(epoch FROM pg_postmaster_start_time());
$server_start_id$;

COMMENT ON FUNCTION pyrepl.server_start_id() IS
    'this database since the start of its server';
REVOKE ALL ON FUNCTION pyrepl.server_start_id() FROM PUBLIC;
