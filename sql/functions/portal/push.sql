-- Read the dossiers of these users in one statement, and so in one snapshot, and write
-- them to the inbox of one course database in another: one direct foreign UPDATE.
-- OFFSET 0 keeps the planner from beginning at the course and reading all its members.
-- Returns the ids of which the course holds a copy afterwards. Made for each database.
CREATE OR REPLACE FUNCTION pyrepl.{push}(
    p_users bigint[], p_prev uuid, p_tag uuid, p_adopt boolean)
RETURNS bigint[]
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
SET plan_cache_mode = force_generic_plan
SET datestyle = 'ISO, YMD'
SET timezone = 'UTC'
SET intervalstyle = 'postgres'
SET extra_float_digits = 3
SET bytea_output = 'hex'
AS $push$
DECLARE
    v_portal text := pyrepl.identity();
    v_contract text := {fingerprint};
    v_dossiers record;
    v_copies bigint[];
BEGIN
    BEGIN
        WITH person AS MATERIALIZED (
            SELECT i.id,
                coalesce((SELECT max(d.generation) FROM pyrepl.departure d
                    WHERE d.user_id = i.id), 0) AS generation,
                EXISTS (
                    SELECT FROM (
                        SELECT * FROM {enrollment_table} o
                        WHERE o.{enrollment_user} = i.id OFFSET 0) e
                    JOIN pyrepl.hosting h ON h.course = e.{enrollment_course}
                    WHERE h.database_id = {database} AND h.active
                        AND {enrollment_active}) AS member,
                u.{user_key} IS NOT NULL AS present,
                CASE WHEN u.{user_key} IS NOT NULL
                    THEN ROW({user_values})::pyrepl.{user_row} END AS user_row,
                CASE WHEN u.{user_key} IS NOT NULL AND p.{profile_key} IS NOT NULL
                    THEN ROW({profile_values})::pyrepl.{profile_row} END AS profile_row
            FROM unnest(p_users) i(id)
            LEFT JOIN {user_table} u ON u.{user_key} = i.id
            LEFT JOIN {profile_table} p ON p.{profile_user} = i.id
        )
        SELECT coalesce(array_agg(x.id), '{{}}') AS ids,
            coalesce(array_agg(x.generation), '{{}}') AS generations,
            coalesce(array_agg(x.member AND x.present), '{{}}') AS members,
            coalesce(array_agg(x.user_row)::text, '{{}}') AS users,
            coalesce((array_agg(x.profile_row)
                FILTER (WHERE x.profile_row IS DISTINCT FROM NULL))::text,
                '{{}}') AS profiles,
            coalesce((
                SELECT array_agg(ROW({enrollment_values})::pyrepl.{enrollment_row})::text
                FROM person y
                CROSS JOIN LATERAL (
                    SELECT * FROM {enrollment_table} o
                    WHERE o.{enrollment_user} = y.id OFFSET 0) e
                WHERE y.present AND {enrollment_here}), '{{}}') AS enrollments
        INTO v_dossiers
        FROM person x;
        -- To take back what has only read lets go of its locks: a TRUNCATE or a migration
        -- of the portal, and all who queue behind it, do not wait for a course that hangs.
        RAISE SQLSTATE 'PR000';
    EXCEPTION WHEN SQLSTATE 'PR000' THEN
        NULL;
    END;

    UPDATE pyrepl.{inbox}
    SET portal = v_portal, contract = v_contract, prev = p_prev, tag = p_tag,
        adopt = p_adopt, ids = v_dossiers.ids, generations = v_dossiers.generations,
        members = v_dossiers.members, users = v_dossiers.users,
        profiles = v_dossiers.profiles, enrollments = v_dossiers.enrollments
    RETURNING copies INTO v_copies;
    RETURN v_copies;
END
$push$;

COMMENT ON FUNCTION pyrepl.{push}(bigint[], uuid, uuid, boolean) IS
    'sends dossiers to one course database in its contract; part of deliver';
REVOKE ALL ON FUNCTION pyrepl.{push}(bigint[], uuid, uuid, boolean) FROM PUBLIC;
