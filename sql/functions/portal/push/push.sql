-- Read the dossiers of these users in one statement, and so in one snapshot, and write
-- them to the inbox of one course database in another: one direct foreign UPDATE.
-- OFFSET 0 keeps the planner from beginning at the course and reading all its members.
-- A push with an epoch leaves a receipt; p_thaw are users that no policy freezes this time.
-- Returns what the course answers, of which copies it holds and whom to send again, and
-- known: of whom it was told more than nothing. Made for each database.
-- PR012 where the portal has not the columns of the contract any more.
CREATE OR REPLACE FUNCTION pyrepl.{push}(
    p_users bigint[], p_thaw bigint[], p_prev uuid, p_tag uuid, p_epoch uuid,
    p_settled bigint[], p_adopt boolean, OUT copies bigint[], OUT again bigint[],
    OUT known bigint[])
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
    v_xid xid8 := CASE WHEN p_epoch IS NOT NULL THEN pg_current_xact_id() END;
    v_dossiers record;
BEGIN
    BEGIN
        WITH person AS MATERIALIZED (
            SELECT i.id,
                coalesce((SELECT max(d.generation) FROM pyrepl.departure d
                    WHERE d.user_id = i.id), 0) AS generation,
                m.member AND u.{user_key} IS NOT NULL AS member, m.known,
                {present} AS present,
                {frozen} AND i.id <> ALL (p_thaw) AS frozen,
                CASE WHEN {present}
                    THEN ROW({user_values})::pyrepl.{user_row} END AS user_row,
                CASE WHEN {present} AND p.{profile_key} IS NOT NULL
                    THEN ROW({profile_values})::pyrepl.{profile_row} END AS profile_row
            FROM unnest(p_users) i(id)
            CROSS JOIN LATERAL (
                {membership}) m
            LEFT JOIN {user_table} u ON u.{user_key} = i.id
            LEFT JOIN {profile_table} p ON p.{profile_user} = i.id
            WHERE true OR {user_types} AND {profile_types}  -- only parsed: see same_type
        )
        SELECT coalesce(array_agg(x.id), '{{}}') AS ids,
            coalesce(array_agg(x.id) FILTER (WHERE x.known), '{{}}') AS known,
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
                    SELECT * FROM {enrollment_table} o
                    WHERE o.{enrollment_user} = y.id OFFSET 0) e
                WHERE y.present AND {enrollment_here} AND (true OR {enrollment_types})),
                '{{}}') AS enrollments
        INTO v_dossiers
        FROM person x;
        -- To take back what has only read lets go of its locks: a TRUNCATE or a migration
        -- of the portal, and all who queue behind it, do not wait for a course that hangs.
        RAISE SQLSTATE 'PR000';
    EXCEPTION WHEN SQLSTATE 'PR000' THEN NULL;
        WHEN syntax_error_or_access_rule_violation THEN
            PERFORM pyrepl.require_contract({database}); RAISE;
    END;

    UPDATE pyrepl.{inbox} i
    SET portal = v_portal, contract = v_contract, prev = p_prev, tag = p_tag,
        epoch = p_epoch, settled = p_settled, adopt = p_adopt, xid = v_xid,
        ids = v_dossiers.ids, generations = v_dossiers.generations,
        members = v_dossiers.members, frozen = v_dossiers.frozen,
        users = v_dossiers.users, profiles = v_dossiers.profiles,
        enrollments = v_dossiers.enrollments
    RETURNING i.copies, i.again INTO copies, again;
    known := v_dossiers.known;
END
$push$;

COMMENT ON FUNCTION pyrepl.{push}(
    bigint[], bigint[], uuid, uuid, uuid, bigint[], boolean) IS
    'sends dossiers to one course database in its contract; part of deliver';
REVOKE ALL ON FUNCTION pyrepl.{push}(
    bigint[], bigint[], uuid, uuid, uuid, bigint[], boolean) FROM PUBLIC;
