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
            SELECT count(*) FROM pyrepl.outbox o
            WHERE o.database_id = d.id AND o.id <= p_last
                AND o.user_id = coalesce(p_user, o.user_id)
                AND o.id > pyrepl.outbox_mark_of(d.id, o.priority)
        ) + (
            SELECT count(*) FROM pyrepl.retry r
            WHERE r.database_id = d.id AND r.user_id = coalesce(p_user, r.user_id))
    FROM unnest(p_databases) d(id);
$waiting$;

COMMENT ON FUNCTION pyrepl.waiting(integer[], bigint, bigint) IS
    'number of dossiers that still wait, of those queued up to an id';
REVOKE ALL ON FUNCTION pyrepl.waiting(integer[], bigint, bigint) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION pyrepl.waiting(integer[], bigint, bigint) TO pyrepl_monitor;
