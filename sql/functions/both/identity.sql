-- Which database this is: system identifier and oid, as portal and course database know
-- each other. A copy elsewhere has another identity, or breaks the chain.
-- IMMUTABLE: no session sees it change, so plans keep it. It is read from a file.
CREATE OR REPLACE FUNCTION pyrepl.identity()
RETURNS text
LANGUAGE plpgsql
IMMUTABLE
SET search_path = pg_catalog, pg_temp
AS $identity$
BEGIN
    RETURN (
        SELECT c.system_identifier || '/' || d.oid
        FROM pg_control_system() c, pg_database d
        WHERE d.datname = current_database());
END
$identity$;

COMMENT ON FUNCTION pyrepl.identity() IS
    'system identifier/database oid of this database';
REVOKE ALL ON FUNCTION pyrepl.identity() FROM PUBLIC;
