-- Deliver at once to course databases that are backing off after a failure. Returns the
-- names of those that were. Writes: health.
CREATE OR REPLACE FUNCTION pyrepl.retry_databases(p_databases integer[])
RETURNS SETOF text
LANGUAGE plpgsql
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $retry_databases$
BEGIN
    PERFORM pyrepl.require_databases(p_databases);
    RETURN QUERY
    UPDATE pyrepl.health h SET retry_at = NULL FROM pyrepl.database d
    WHERE d.id = h.database_id AND d.id = ANY (p_databases) AND h.retry_at IS NOT NULL
    RETURNING d.name;
END
$retry_databases$;

COMMENT ON FUNCTION pyrepl.retry_databases(integer[]) IS
    'ends the pause that a course database has after a failure';
REVOKE ALL ON FUNCTION pyrepl.retry_databases(integer[]) FROM PUBLIC;
