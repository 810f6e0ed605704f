-- The rows that are here of these users, with one hash for each column (NULL: exempt).
-- Part 'copy' stands for an entry of the registry and has no columns. Of a copy that was
-- erased only enrollments are returned, of local accounts nothing.
CREATE OR REPLACE FUNCTION pyrepl.digest_rows(p_users bigint[], p_seed bigint)
RETURNS TABLE (user_id bigint, part text, key bigint, columns bigint[])
LANGUAGE plpgsql
STABLE
SET plan_cache_mode = force_generic_plan
SET search_path = pg_catalog, pg_temp
SET row_security = off
SET datestyle = 'ISO, YMD'
SET timezone = 'UTC'
SET intervalstyle = 'postgres'
SET extra_float_digits = 3
SET bytea_output = 'hex'
AS $digest_rows$
BEGIN
    RETURN QUERY
    SELECT c.user_id, 'copy'::text, NULL::bigint, NULL::bigint[]
    FROM pyrepl.copy c
    WHERE c.user_id = ANY (p_users) AND NOT c.erased
    UNION ALL
    SELECT c.user_id, 'user', c.user_id, ARRAY[{user_hashes}]
    FROM pyrepl.copy c
    JOIN {user_table} r ON r.{user_key} = c.user_id
    WHERE c.user_id = ANY (p_users) AND NOT c.erased
    UNION ALL
    SELECT c.user_id, 'profile', c.user_id, ARRAY[{profile_hashes}]
    FROM pyrepl.copy c
    JOIN {profile_table} r ON r.{profile_user} = c.user_id
    WHERE c.user_id = ANY (p_users) AND NOT c.erased
    UNION ALL
    SELECT c.user_id, 'enrollment', r.{enrollment_key}::bigint, ARRAY[{enrollment_hashes}]
    FROM pyrepl.copy c
    JOIN {enrollment_table} r ON r.{enrollment_user} = c.user_id
    WHERE c.user_id = ANY (p_users);
END
$digest_rows$;

COMMENT ON FUNCTION pyrepl.digest_rows(bigint[], bigint) IS
    'rows of copies, by a hash a column; part of verify';
REVOKE ALL ON FUNCTION pyrepl.digest_rows(bigint[], bigint) FROM PUBLIC;
