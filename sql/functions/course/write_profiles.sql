-- Last step of apply: profile rows of copies, updated where an agreed column differs by
-- image, inserted where missing. An id that another user's row has is left to the
-- unique index to refuse (see explain_holders). Writes: the profile table.
CREATE OR REPLACE FUNCTION pyrepl.write_profiles(p_profiles pyrepl.profile_row[])
RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $write_profiles$
BEGIN
    UPDATE {profile_table} t
    SET {profile_set}
    FROM unnest(p_profiles) n
    JOIN pyrepl.copy c ON c.user_id = n.{profile_user} AND NOT c.erased
    WHERE t.{profile_key} = n.{profile_key} AND t.{profile_user} = n.{profile_user}
        AND ROW({profile_here})::record *<> ROW({profile_new})::record;

    INSERT INTO {profile_table} ({profile_columns})
    OVERRIDING SYSTEM VALUE
    SELECT {profile_new}
    FROM unnest(p_profiles) n
    JOIN pyrepl.copy c ON c.user_id = n.{profile_user} AND NOT c.erased
    WHERE NOT EXISTS (
        SELECT FROM {profile_table} t
        WHERE t.{profile_key} = n.{profile_key} AND t.{profile_user} = n.{profile_user});
END
$write_profiles$;

COMMENT ON FUNCTION pyrepl.write_profiles(pyrepl.profile_row[]) IS
    'brings the profile rows of copies up to date; part of apply';
REVOKE ALL ON FUNCTION pyrepl.write_profiles(pyrepl.profile_row[]) FROM PUBLIC;
