-- Second step of apply: the profile rows of copies, compared in one look. Those that the
-- dossiers do not hold go, those that differ by image are updated, those missing inserted.
-- p_careful: see park. p_users: whose rows there may be. Raises PR022.
-- Writes: the profile table.
-- Slots: profile_columns, profile_here, profile_key, profile_key_name, profile_new,
--   profile_set, profile_table, profile_table_name, profile_user, profile_user_name
CREATE OR REPLACE FUNCTION pyrepl.write_profiles(
    p_users bigint[], p_profiles pyrepl.profile_row[], p_careful boolean)
RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $write_profiles$
DECLARE
    v_gone bigint[];
    v_differing pyrepl.profile_row[];
    v_missing pyrepl.profile_row[];
    v_written bigint;
BEGIN
    SELECT array_agg(t.{profile_key}) FILTER (WHERE n.{profile_key} IS NULL),
        array_agg(ROW({profile_new})::pyrepl.profile_row)
            FILTER (WHERE t.{profile_key} IS NOT NULL
                AND n.{profile_key} IS NOT NULL
                AND ROW({profile_here})::record *<> ROW({profile_new})::record),
        array_agg(ROW({profile_new})::pyrepl.profile_row)
            FILTER (WHERE t.{profile_key} IS NULL)
    INTO v_gone, v_differing, v_missing
    FROM (
        SELECT h.* FROM unnest(p_users) i(id)
        CROSS JOIN LATERAL (
            SELECT * FROM ONLY {profile_table} o
            WHERE o.{profile_user} = i.id OFFSET 0) h) t
    FULL JOIN unnest(p_profiles) n
        ON n.{profile_key} = t.{profile_key}
        AND n.{profile_user} = t.{profile_user};

    IF v_gone IS NOT NULL THEN
        DELETE FROM ONLY {profile_table} t WHERE t.{profile_key} = ANY (v_gone);
        GET DIAGNOSTICS v_written = ROW_COUNT;
        PERFORM pyrepl.require_written('profile', {profile_table_name},
            {profile_key_name}, 'DELETE', v_written, v_gone);
    END IF;
    IF p_careful THEN
        PERFORM pyrepl.park({profile_table_name}, {profile_key_name},
            {profile_user_name}, 'profile', v_differing || v_missing);
    END IF;
    IF v_differing IS NOT NULL THEN
        UPDATE ONLY {profile_table} t
        SET {profile_set}
        FROM unnest(v_differing) n
        CROSS JOIN LATERAL (
            SELECT o.ctid FROM ONLY {profile_table} o
            WHERE o.{profile_key} = n.{profile_key}
                AND o.{profile_user} = n.{profile_user} OFFSET 0) f
        WHERE t.ctid = f.ctid;
        GET DIAGNOSTICS v_written = ROW_COUNT;
        PERFORM pyrepl.require_written('profile', {profile_table_name},
            {profile_key_name}, 'UPDATE', v_written, v_differing);
    END IF;
    IF v_missing IS NOT NULL THEN
        INSERT INTO {profile_table} ({profile_columns})
        OVERRIDING SYSTEM VALUE
        SELECT {profile_new} FROM unnest(v_missing) n ORDER BY n.{profile_key};
        GET DIAGNOSTICS v_written = ROW_COUNT;
        PERFORM pyrepl.require_written('profile', {profile_table_name},
            {profile_key_name}, 'INSERT', v_written, v_missing);
    END IF;
END
$write_profiles$;

COMMENT ON FUNCTION pyrepl.write_profiles(bigint[], pyrepl.profile_row[], boolean) IS
    'brings the profile rows of copies up to date; part of apply';
REVOKE ALL ON FUNCTION pyrepl.write_profiles(bigint[], pyrepl.profile_row[], boolean)
    FROM PUBLIC;
