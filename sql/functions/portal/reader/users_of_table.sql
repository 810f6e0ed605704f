-- Whose rows a table of the platform has: what TRUNCATE is about to take away. Of the
-- enrollment table with the courses, in parallel arrays; NULL where there is no row.
-- p_part: user, profile or enrollment. Part of capture_truncate.
-- Owner: pyrepl_reader
-- Slots: enrollment_course, enrollment_table, enrollment_user, profile_table,
--   profile_user, require_tables, user_key, user_table
CREATE OR REPLACE FUNCTION pyrepl.users_of_table(
    p_part text, OUT users bigint[], OUT courses text[])
LANGUAGE plpgsql
STABLE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET row_security = off
AS $users_of_table$
BEGIN
    {require_tables};
    IF p_part = 'user' THEN
        SELECT array_agg(u.{user_key}) INTO users FROM ONLY {user_table} u;
    ELSIF p_part = 'profile' THEN
        SELECT array_agg(p.{profile_user}) INTO users FROM ONLY {profile_table} p;
    ELSE
        SELECT array_agg(e.{enrollment_user}), array_agg(e.{enrollment_course})
        INTO users, courses FROM ONLY {enrollment_table} e;
    END IF;
    RAISE SQLSTATE 'PR009';
EXCEPTION WHEN SQLSTATE 'PR009' THEN NULL;
END
$users_of_table$;

COMMENT ON FUNCTION pyrepl.users_of_table(text) IS
    'whose rows a table has; part of capture_truncate';
REVOKE ALL ON FUNCTION pyrepl.users_of_table(text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION pyrepl.users_of_table(text) TO pyrepl_capture;
