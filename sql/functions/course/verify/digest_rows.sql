-- The rows that are here of these users, with one hash for each column, as the text of an
-- array (NULL: exempt).
-- Part 'copy' stands for an entry of the registry and has no columns. Of a copy that was
-- erased only enrollments are returned, of local accounts nothing.
-- Slots: enrollment_hashes, enrollment_key, enrollment_table, enrollment_user,
--   profile_hashes, profile_table, profile_user, text_formats, user_hashes, user_key,
--   user_table
CREATE OR REPLACE FUNCTION pyrepl.digest_rows(p_users bigint[], p_seed bigint)
RETURNS TABLE (user_id bigint, part text, key bigint, columns text)
LANGUAGE plpgsql
STABLE
SET plan_cache_mode = force_generic_plan
SET search_path = pg_catalog, pg_temp
SET row_security = off
{text_formats}
AS $digest_rows$
BEGIN
    RETURN QUERY
    WITH copied AS MATERIALIZED (
        SELECT c.user_id, c.erased FROM pyrepl.copy c WHERE c.user_id = ANY (p_users)
    )
    SELECT c.user_id, 'copy'::text, NULL::bigint, NULL::text
    FROM copied c
    WHERE NOT c.erased
    UNION ALL
    SELECT c.user_id, 'user', c.user_id, ARRAY[{user_hashes}]::text
    FROM copied c
    JOIN ONLY {user_table} r ON r.{user_key} = c.user_id
    WHERE NOT c.erased
    UNION ALL
    SELECT c.user_id, 'profile', c.user_id, ARRAY[{profile_hashes}]::text
    FROM copied c
    JOIN ONLY {profile_table} r ON r.{profile_user} = c.user_id
    WHERE NOT c.erased
    UNION ALL
    SELECT c.user_id, 'enrollment', r.{enrollment_key}::bigint,
        ARRAY[{enrollment_hashes}]::text
    FROM copied c
    JOIN ONLY {enrollment_table} r ON r.{enrollment_user} = c.user_id;
END
$digest_rows$;

COMMENT ON FUNCTION pyrepl.digest_rows(bigint[], bigint) IS
    'rows of copies, by a hash a column; part of verify';
REVOKE ALL ON FUNCTION pyrepl.digest_rows(bigint[], bigint) FROM PUBLIC;
