-- Keep all other immediate deliveries of these users out until this transaction ends.
-- Raises 55P03 (lock_not_available) after half a second: shorter than deadlock_timeout, so
-- that it is never a writer's own statement that is chosen to end a deadlock.
-- Locks: the users' advisory locks, in the order of their keys.
CREATE OR REPLACE FUNCTION pyrepl.lock_users(p_users bigint[])
RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
SET lock_timeout = '500ms'
AS $lock_users$
BEGIN
    PERFORM pg_advisory_xact_lock(1887007344, k.key)
    FROM (
        SELECT DISTINCT pyrepl.user_lock(u.id) AS key FROM unnest(p_users) u(id) ORDER BY 1
    ) k;
END
$lock_users$;

COMMENT ON FUNCTION pyrepl.lock_users(bigint[]) IS
    'serializes immediate deliveries of the same users; part of deliver_at_commit';
REVOKE ALL ON FUNCTION pyrepl.lock_users(bigint[]) FROM PUBLIC;
