-- What keeps a user's changes from reaching any database: how many changes that name the
-- user, or everybody, are not routed yet, and enrollments in courses that nobody hosts.
CREATE OR REPLACE FUNCTION pyrepl.undeliverable(
    p_user bigint, OUT unrouted bigint, OUT unhosted text[])
LANGUAGE sql
STABLE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $undeliverable$
    SELECT (SELECT count(*) FROM pyrepl.change c
            WHERE c.users IS NULL OR p_user = ANY (c.users)),
        ARRAY(
            SELECT e.course FROM pyrepl.courses_of_user(p_user) e
            WHERE NOT EXISTS (
                SELECT FROM pyrepl.hosting h WHERE h.course = e.course AND h.active)
            ORDER BY 1);
$undeliverable$;

COMMENT ON FUNCTION pyrepl.undeliverable(bigint) IS
    'what of a user reaches no course database yet';
REVOKE ALL ON FUNCTION pyrepl.undeliverable(bigint) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION pyrepl.undeliverable(bigint) TO pyrepl_monitor;
