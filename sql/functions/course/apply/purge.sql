-- Erase the next copies, p_most at most, when replication ends. Returns how many they were.
-- SECURITY DEFINER: triggers of the course's own fire, and cannot RESET ROLE in here to be
-- the administrator who purges.
-- Writes: the three tables, copy. Locks: the user rows.
CREATE OR REPLACE FUNCTION pyrepl.purge(p_most integer)
RETURNS integer
LANGUAGE plpgsql
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET row_security = off
AS $purge$
DECLARE
    v_users bigint[] := ARRAY(
        SELECT c.user_id FROM pyrepl.copy c WHERE NOT c.erased LIMIT p_most);
BEGIN
    PERFORM pyrepl.erase(v_users);
    RETURN cardinality(v_users);
END
$purge$;

COMMENT ON FUNCTION pyrepl.purge(integer) IS
    'erases copies, a portion a call; for the end of a course database';
REVOKE ALL ON FUNCTION pyrepl.purge(integer) FROM PUBLIC;
