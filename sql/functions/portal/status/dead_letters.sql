-- Dead letters: dossiers that were given up, with the database that did not take them.
-- Asked for by number, also those that are still tried again: due_at says when.
CREATE OR REPLACE FUNCTION pyrepl.dead_letters(p_ids bigint[] DEFAULT NULL)
RETURNS TABLE (
    id bigint, database text, user_id bigint, attempts integer, since timestamptz,
    failed_at timestamptz, due_at timestamptz, sqlstate text, message text, hint text)
LANGUAGE sql
STABLE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $dead_letters$
    SELECT r.id, d.name, r.user_id, r.attempts, r.since, r.failed_at, r.due_at,
        r.sqlstate, r.message, r.hint
    FROM pyrepl.retry r
    JOIN pyrepl.database d ON d.id = r.database_id
    WHERE CASE WHEN p_ids IS NULL THEN r.due_at IS NULL ELSE r.id = ANY (p_ids) END
    ORDER BY r.id;
$dead_letters$;

COMMENT ON FUNCTION pyrepl.dead_letters(bigint[]) IS
    'dossiers that were given up; by number also those that are tried again';
REVOKE ALL ON FUNCTION pyrepl.dead_letters(bigint[]) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION pyrepl.dead_letters(bigint[]) TO pyrepl_monitor;
