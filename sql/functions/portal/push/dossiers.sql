-- Read the dossiers of these users in one statement, and so in one snapshot: what push
-- sends. p_thaw are users that no policy freezes this time.
-- Returns parallel arrays of users, rows as the text of arrays; known: of whom the
-- database may know more than nothing, and placed: which person each is told to be, -1 for
-- one who is not sent. Where a column is not there, or not of its type,
-- problem is the SQLSTATE and the message of that. Made for each database.
-- Owner: pyrepl_reader
-- Slots: dossiers, enrollment_hosted, enrollment_row, enrollment_table,
--   enrollment_types, enrollment_user, enrollment_values, frozen, membership, present,
--   profile_key, profile_row, profile_table, profile_types, profile_user,
--   profile_values, require_tables, text_formats, user_key, user_row, user_table,
--   user_types, user_values
CREATE OR REPLACE FUNCTION pyrepl.{dossiers}(
    p_users bigint[], p_thaw bigint[], OUT ids bigint[], OUT known bigint[],
    OUT placed bigint[], OUT generations bigint[], OUT members boolean[],
    OUT frozen boolean[], OUT users text, OUT profiles text, OUT enrollments text,
    OUT problem text[])
LANGUAGE plpgsql
STABLE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET row_security = off
SET plan_cache_mode = force_generic_plan
{text_formats}
AS $dossiers$
BEGIN
    {require_tables};
    BEGIN
        WITH person AS MATERIALIZED (
            SELECT i.id,
                coalesce((SELECT max(d.generation) FROM pyrepl.departure d
                    WHERE d.user_id = i.id), 0) AS generation,
                m.member AND u.{user_key} IS NOT NULL AS member,
                m.member OR m.same OR m.known AND u.{user_key} IS NULL AS known,
                {present} AS present,
                {frozen} AND i.id <> ALL (p_thaw) AS frozen,
                CASE WHEN {present}
                    THEN ROW({user_values})::pyrepl.{user_row} END AS user_row,
                CASE WHEN {present} AND p.{profile_key} IS NOT NULL
                    THEN ROW({profile_values})::pyrepl.{profile_row} END AS profile_row
            FROM unnest(p_users) i(id)
            CROSS JOIN LATERAL (
                {membership}) m
            LEFT JOIN ONLY {user_table} u ON u.{user_key} = i.id
            LEFT JOIN ONLY {profile_table} p ON p.{profile_user} = i.id
            WHERE true OR {user_types} AND {profile_types}  -- only parsed: see same_type
        )
        SELECT coalesce(array_agg(x.id), '{{}}') AS ids,
            coalesce(array_agg(x.id) FILTER (WHERE x.known), '{{}}') AS known,
            coalesce(array_agg(CASE WHEN x.present THEN x.generation ELSE -1 END)
                FILTER (WHERE x.known), '{{}}') AS placed,
            coalesce(array_agg(x.generation), '{{}}') AS generations,
            coalesce(array_agg(x.member), '{{}}') AS members,
            coalesce(array_agg(x.frozen), '{{}}') AS frozen,
            coalesce(array_agg(x.user_row)::text, '{{}}') AS users,
            coalesce((array_agg(x.profile_row) FILTER (WHERE NOT x.frozen
                AND x.profile_row IS DISTINCT FROM NULL))::text, '{{}}') AS profiles,
            coalesce((
                SELECT array_agg(ROW({enrollment_values})::pyrepl.{enrollment_row})::text
                FROM person y
                CROSS JOIN LATERAL (
                    SELECT * FROM ONLY {enrollment_table} o
                    WHERE o.{enrollment_user} = y.id OFFSET 0) e
                WHERE y.present AND {enrollment_hosted} AND (true OR {enrollment_types})),
                '{{}}') AS enrollments
        INTO ids, known, placed, generations, members, frozen, users, profiles, enrollments
        FROM person x;
        -- Taken back, see refuse_tables. That also lets go of its locks: a TRUNCATE or a
        -- migration of the portal does not wait for a course that hangs.
        RAISE SQLSTATE 'PR009';
    EXCEPTION WHEN SQLSTATE 'PR009' THEN
            IF ids IS NULL THEN RAISE; END IF;  -- code of the tables' owner says it
        WHEN syntax_error_or_access_rule_violation THEN problem := ARRAY[SQLSTATE, SQLERRM];
    END;
END
$dossiers$;

COMMENT ON FUNCTION pyrepl.{dossiers}(bigint[], bigint[]) IS
    'dossiers of users for one course database, in its contract; part of push';
REVOKE ALL ON FUNCTION pyrepl.{dossiers}(bigint[], bigint[]) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION pyrepl.{dossiers}(bigint[], bigint[]) TO pyrepl_owner;
