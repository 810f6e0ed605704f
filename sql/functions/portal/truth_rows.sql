-- The rows that one course database should hold of these users, with one hash for each
-- column (NULL: exempt). Part 'copy' is a user of whom a copy should be there, and has
-- no columns; counts says whether the user is a member. Made for each database, in its
-- contract; verify compares it with the course's digest_rows.
CREATE OR REPLACE FUNCTION pyrepl.{truth_rows}(p_users bigint[], p_seed bigint)
RETURNS TABLE (user_id bigint, part text, key bigint, columns bigint[])
LANGUAGE plpgsql
STABLE
SET plan_cache_mode = force_custom_plan
SET search_path = pg_catalog, pg_temp
SET row_security = off
SET datestyle = 'ISO, YMD'
SET timezone = 'UTC'
SET intervalstyle = 'postgres'
SET extra_float_digits = 3
SET bytea_output = 'hex'
AS $truth_rows$
BEGIN
    RETURN QUERY
    WITH person AS MATERIALIZED (
        SELECT i.id, u.{user_key} IS NOT NULL AS here, p.user_id IS NOT NULL AS placed,
            EXISTS (
                SELECT FROM (
                    SELECT * FROM {enrollment_table} o
                    WHERE o.{enrollment_user} = i.id OFFSET 0) r
                JOIN pyrepl.hosting h ON h.course = r.{enrollment_course}
                WHERE h.database_id = {database} AND h.active AND {enrollment_counts})
                AS member
        FROM unnest(p_users) i(id)
        LEFT JOIN {user_table} u ON u.{user_key} = i.id
        LEFT JOIN pyrepl.placement p ON p.user_id = i.id AND p.database_id = {database}
    )
    SELECT i.id, CASE WHEN i.member THEN 'member' ELSE 'former' END, NULL::bigint,
        NULL::bigint[]
    FROM person i
    WHERE i.here AND i.member OR i.placed
        AND CASE WHEN i.here THEN {former_stays} ELSE {deleted_stays} END
    UNION ALL
    SELECT i.id, 'user', i.id, ARRAY[{user_hashes}]
    FROM person i
    JOIN {user_table} r ON r.{user_key} = i.id
    WHERE i.member
    UNION ALL
    SELECT i.id, 'profile', i.id, ARRAY[{profile_hashes}]
    FROM person i
    JOIN {profile_table} r ON r.{profile_user} = i.id
    WHERE i.member AND i.here
    UNION ALL
    SELECT i.id, 'enrollment', r.{enrollment_key}::bigint, ARRAY[{enrollment_hashes}]
    FROM person i
    JOIN {enrollment_table} r ON r.{enrollment_user} = i.id
    LEFT JOIN pyrepl.hosting h ON h.course = r.{enrollment_course}
        AND h.database_id = {database} AND h.active
    WHERE i.here AND (i.member OR i.placed) AND {enrollment_kept};
END
$truth_rows$;

COMMENT ON FUNCTION pyrepl.{truth_rows}(bigint[], bigint) IS
    'rows that one course database should hold, by a hash a column';
REVOKE ALL ON FUNCTION pyrepl.{truth_rows}(bigint[], bigint) FROM PUBLIC;
