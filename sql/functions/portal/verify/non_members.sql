-- Users from p_first on and before p_last who are not enrolled at a course database.
-- Owner: pyrepl_reader
-- Slots: enrollment_counts, enrollment_course, enrollment_table, enrollment_user,
--   user_key, user_table
CREATE OR REPLACE FUNCTION pyrepl.non_members(
    p_database integer, p_first bigint, p_last bigint)
RETURNS bigint[]
LANGUAGE plpgsql
STABLE
SET search_path = pg_catalog, pg_temp
SET row_security = off
SET plan_cache_mode = force_custom_plan
SET max_parallel_workers_per_gather = 0
SET enable_hashjoin = off -- indexes are in the order of ids
SET jit = off
AS $non_members$
DECLARE
    v_courses text[] := ARRAY(
        SELECT h.course FROM pyrepl.hosting h
        WHERE h.database_id = p_database AND h.active);
BEGIN
    RETURN ARRAY(
        SELECT u.{user_key}
        FROM ONLY {user_table} u
        LEFT JOIN (
            SELECT r.{enrollment_user} AS id
            FROM ONLY {enrollment_table} r
            WHERE r.{enrollment_course} = ANY (v_courses) AND {enrollment_counts}
                AND r.{enrollment_user} >= p_first AND r.{enrollment_user} < p_last) m
            ON m.id = u.{user_key}
        WHERE u.{user_key} >= p_first AND u.{user_key} < p_last AND m.id IS NULL);
END
$non_members$;

COMMENT ON FUNCTION pyrepl.non_members(integer, bigint, bigint) IS
    'users who are not enrolled at a course database; part of verify';
REVOKE ALL ON FUNCTION pyrepl.non_members(integer, bigint, bigint) FROM PUBLIC;
