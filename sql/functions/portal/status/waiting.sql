-- What still waits of the outbox rows up to an id, and of the dossiers set aside, for
-- some databases and for one user or all.
CREATE OR REPLACE FUNCTION pyrepl.waiting(
    p_databases integer[], p_user bigint, p_last bigint)
RETURNS TABLE (database_id integer, pairs bigint)
LANGUAGE sql
STABLE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $waiting$
    SELECT d.id, (
            SELECT count(*)
            FROM (
                SELECT r.priority, pyrepl.outbox_mark_of(d.id, r.priority) AS mark
                FROM unnest('{0,1}'::integer[]) r(priority) OFFSET 0) m
            JOIN pyrepl.outbox o ON o.database_id = d.id AND o.priority = m.priority
                AND o.id > 0 AND o.id > m.mark AND o.id <= p_last
            WHERE p_user IS NULL OR o.user_id = p_user
        ) + (
            SELECT count(*) FROM pyrepl.retry r
            WHERE r.database_id = d.id AND r.user_id = coalesce(p_user, r.user_id))
    FROM unnest(p_databases) d(id);
$waiting$;

COMMENT ON FUNCTION pyrepl.waiting(integer[], bigint, bigint) IS
    'number of dossiers that still wait, of those queued up to an id';
REVOKE ALL ON FUNCTION pyrepl.waiting(integer[], bigint, bigint) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION pyrepl.waiting(integer[], bigint, bigint) TO pyrepl_monitor;
