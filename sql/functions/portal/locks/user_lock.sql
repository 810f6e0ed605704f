-- The key of a user's advisory lock, in the class of our locks: below those of the router,
-- the clocks and install. An immediate delivery holds it from before it reads dossiers to
-- its commit. Two users may share a key: that costs a wait, no more.
CREATE OR REPLACE FUNCTION pyrepl.user_lock(p_user bigint)
RETURNS integer
LANGUAGE sql
IMMUTABLE
SET search_path = pg_catalog, pg_temp
AS $user_lock$
    SELECT -1000 - (hashint8(p_user) & 1073741823);
$user_lock$;

COMMENT ON FUNCTION pyrepl.user_lock(bigint) IS 'second key of a user''s advisory lock';
REVOKE ALL ON FUNCTION pyrepl.user_lock(bigint) FROM PUBLIC;
