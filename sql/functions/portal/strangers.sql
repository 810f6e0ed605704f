-- Copies at a course database whose user is no member there: of users whom the portal
-- placed there before (former), or of whom it knows nothing there; pending where a dossier
-- of the user waits. Exact where asked for: then nobody delivers meanwhile.
-- Locks: the database's advisory lock, if exact.
CREATE OR REPLACE FUNCTION pyrepl.strangers(p_database integer, p_exact boolean)
RETURNS TABLE (user_id bigint, former boolean, pending boolean)
LANGUAGE plpgsql
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET row_security = off
SET lock_timeout = '30s'
AS $strangers$
BEGIN
    IF p_exact THEN
        PERFORM pg_advisory_xact_lock(1887007344, p_database);
    END IF;
    RETURN QUERY EXECUTE format($strange$
        WITH copy AS MATERIALIZED (
            SELECT a.user_id FROM pyrepl.account_%1$s a WHERE a.is_copy
        ), strange AS MATERIALIZED (
            SELECT c.user_id, EXISTS (
                SELECT FROM pyrepl.placement p
                WHERE p.user_id = c.user_id AND p.database_id = %1$s)
                AND CASE WHEN EXISTS (
                    SELECT FROM {user_table} u WHERE u.{user_key} = c.user_id)
                    THEN {former_stays} ELSE {deleted_stays} END AS former
            FROM copy c
            WHERE NOT EXISTS (
                SELECT FROM {enrollment_table} e
                JOIN pyrepl.hosting h ON h.course = e.{enrollment_course}
                JOIN {user_table} u ON u.{user_key} = e.{enrollment_user}
                WHERE e.{enrollment_user} = c.user_id AND h.database_id = %1$s AND h.active
                    AND {enrollment_active})
        )
        SELECT s.user_id, s.former, p.user_id IS NOT NULL OR s.user_id = ANY ($1)
        FROM strange s
        LEFT JOIN pyrepl.pending_users(%1$s, ARRAY(
            SELECT x.user_id FROM strange x WHERE NOT x.former)) p ON p.user_id = s.user_id
        ORDER BY 1
        $strange$, p_database) USING pyrepl.phantoms(p_database);
END
$strangers$;

COMMENT ON FUNCTION pyrepl.strangers(integer, boolean) IS
    'copies at a course database whose user is not a member there';
REVOKE ALL ON FUNCTION pyrepl.strangers(integer, boolean) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION pyrepl.strangers(integer, boolean) TO pyrepl_monitor;
