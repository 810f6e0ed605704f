-- A course names users to be sent again: those of a push that the portal has lost with its
-- own last seconds. That does not happen twice in a second; who says so more often is not
-- heard, or he would keep the router from all others. Part of send.
-- Writes: change, health.
CREATE OR REPLACE FUNCTION pyrepl.send_again(p_database integer, p_users bigint[])
RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $send_again$
BEGIN
    UPDATE pyrepl.health h SET again_at = clock_timestamp()
    WHERE h.database_id = p_database AND coalesce(
        h.again_at NOT BETWEEN clock_timestamp() - interval '1 s' AND clock_timestamp(),
        true);
    IF FOUND THEN
        INSERT INTO pyrepl.change (database_id, users, priority)
        VALUES (p_database, pyrepl.users_to_tell(p_database, p_users),
            CASE WHEN cardinality(p_users) > 1000 THEN 1 ELSE 0 END);
    END IF;
END
$send_again$;

COMMENT ON FUNCTION pyrepl.send_again(integer, bigint[]) IS
    'marks users as changed whom a course names, once a second at most; part of send';
REVOKE ALL ON FUNCTION pyrepl.send_again(integer, bigint[]) FROM PUBLIC;
