-- Which of these users a dossier waits for: a change not yet routed, a pair in the outbox,
-- or a retry to come. Dead letters do not wait, they have failed.
CREATE OR REPLACE FUNCTION pyrepl.pending_users(p_database integer, p_users bigint[])
RETURNS TABLE (user_id bigint)
LANGUAGE sql
STABLE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $pending_users$
    SELECT o.user_id FROM pyrepl.outbox o
    WHERE o.database_id = p_database AND o.priority IN (0, 1) AND o.user_id = ANY (p_users)
    UNION
    SELECT r.user_id FROM pyrepl.retry r
    WHERE r.database_id = p_database AND r.user_id = ANY (p_users)
        AND r.due_at IS NOT NULL
    UNION
    SELECT s.id
    FROM unnest(p_users) s(id)
    WHERE EXISTS (SELECT FROM pyrepl.change c
        WHERE c.users IS NULL AND coalesce(c.database_id, p_database) = p_database)
    UNION
    (SELECT u.id
    FROM pyrepl.change c
    CROSS JOIN LATERAL unnest(c.users) u(id)
    WHERE coalesce(c.database_id, p_database) = p_database
    INTERSECT
    SELECT s.id FROM unnest(p_users) s(id));
$pending_users$;

COMMENT ON FUNCTION pyrepl.pending_users(integer, bigint[]) IS
    'users whose dossier is still to be delivered to a database';
REVOKE ALL ON FUNCTION pyrepl.pending_users(integer, bigint[]) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION pyrepl.pending_users(integer, bigint[]) TO pyrepl_monitor;
