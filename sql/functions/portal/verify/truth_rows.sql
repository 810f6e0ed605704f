-- The rows that one course database should hold of these users, with one hash for each
-- column, as the text of an array (NULL: exempt). Part 'member' or 'former' is a user of
-- whom a copy should be there, and has no columns. Made for each database, in its
-- contract; verify compares it with the course's digest_rows.
-- Owner: pyrepl_reader
-- Slots: database, deleted_stays, enrollment_counts, enrollment_course,
--   enrollment_hashes, enrollment_kept, enrollment_key, enrollment_table,
--   enrollment_user, former_stays, profile_hashes, profile_table, profile_user,
--   require_tables, text_formats, truth_rows, user_hashes, user_key, user_table
CREATE OR REPLACE FUNCTION pyrepl.{truth_rows}(p_users bigint[], p_seed bigint)
RETURNS TABLE (user_id bigint, part text, key bigint, columns text)
LANGUAGE plpgsql
STABLE
SECURITY DEFINER
SET plan_cache_mode = force_custom_plan
SET search_path = pg_catalog, pg_temp
SET row_security = off
{text_formats}
AS $truth_rows$
BEGIN
    {require_tables};
    BEGIN
        RETURN QUERY
        WITH enrolled AS MATERIALIZED (
            SELECT r.{enrollment_user}::bigint AS id, r.{enrollment_key}::bigint AS key,
                h.course IS NOT NULL AND {enrollment_counts} AS counts,
                ARRAY[{enrollment_hashes}]::text AS columns
            FROM ONLY {enrollment_table} r
            LEFT JOIN pyrepl.hosting h ON h.course = r.{enrollment_course}
                AND h.database_id = {database} AND h.active
            WHERE r.{enrollment_user} = ANY (p_users) AND {enrollment_kept}
        ), person AS MATERIALIZED (
            SELECT i.id, r.{user_key} IS NOT NULL AS here, p.user_id IS NOT NULL AS placed,
                i.id IN (SELECT e.id FROM enrolled e WHERE e.counts) AS member,
                ARRAY[{user_hashes}]::text AS columns
            FROM unnest(p_users) i(id)
            LEFT JOIN ONLY {user_table} r ON r.{user_key} = i.id
            LEFT JOIN pyrepl.placement p ON p.user_id = i.id AND p.database_id = {database}
        )
        SELECT i.id, CASE WHEN i.member THEN 'member' ELSE 'former' END, NULL::bigint,
            NULL::text
        FROM person i
        WHERE i.here AND i.member OR i.placed
            AND CASE WHEN i.here THEN {former_stays} ELSE {deleted_stays} END
        UNION ALL
        SELECT i.id, 'user', i.id, i.columns
        FROM person i
        WHERE i.here AND i.member
        UNION ALL
        SELECT i.id, 'profile', i.id, ARRAY[{profile_hashes}]::text
        FROM person i
        JOIN ONLY {profile_table} r ON r.{profile_user} = i.id
        WHERE i.here AND i.member
        UNION ALL
        SELECT i.id, 'enrollment', e.key, e.columns
        FROM person i
        JOIN enrolled e ON e.id = i.id
        WHERE i.here AND (i.member OR i.placed);
        RAISE SQLSTATE 'PR009';
    EXCEPTION WHEN SQLSTATE 'PR009' THEN NULL;
    END;
END
$truth_rows$;

COMMENT ON FUNCTION pyrepl.{truth_rows}(bigint[], bigint) IS
    'rows that one course database should hold, by a hash a column';
REVOKE ALL ON FUNCTION pyrepl.{truth_rows}(bigint[], bigint) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION pyrepl.{truth_rows}(bigint[], bigint) TO pyrepl_owner;
