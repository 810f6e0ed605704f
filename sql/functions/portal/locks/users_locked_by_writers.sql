-- Which of these users some writer is delivering immediately at this moment. Such a writer
-- has perhaps not seen that the user belongs to another database, too: a dossier read now
-- would miss what it is about to commit, and nobody would send it again. So deliver leaves
-- these users for later. Session locks, as nothing else can be given back at once.
CREATE OR REPLACE FUNCTION pyrepl.users_locked_by_writers(p_users bigint[])
RETURNS bigint[]
LANGUAGE sql
SET search_path = pg_catalog, pg_temp
AS $users_locked_by_writers$
    SELECT coalesce(array_agg(k.id), '{}')
    FROM (SELECT u.id, pyrepl.user_lock(u.id) AS key FROM unnest(p_users) u(id) OFFSET 0) k
    WHERE NOT CASE
        WHEN pg_try_advisory_lock_shared(1887007344, k.key)
        THEN pg_advisory_unlock_shared(1887007344, k.key)
        ELSE false END;
$users_locked_by_writers$;

COMMENT ON FUNCTION pyrepl.users_locked_by_writers(bigint[]) IS
    'users whose immediate delivery is going on; part of deliver';
REVOKE ALL ON FUNCTION pyrepl.users_locked_by_writers(bigint[]) FROM PUBLIC;
