-- Whose copies hold unique values, or ids of rows, that these rows bring: the answer to the
-- portal's question, by which it sends all those along that a dossier drags behind it.
-- Slots: enrollment_key_name, enrollment_table_name, enrollment_user_name,
--   profile_key_name, profile_table_name, profile_user_name, user_key_name,
--   user_table_name
CREATE OR REPLACE FUNCTION pyrepl.holders_of(
    p_users pyrepl.user_row[], p_profiles pyrepl.profile_row[],
    p_enrollments pyrepl.enrollment_row[], OUT takers bigint[], OUT holders bigint[])
LANGUAGE sql
SET search_path = pg_catalog, pg_temp
AS $holders_of$
    SELECT coalesce(array_agg(f.taker), '{{}}'), coalesce(array_agg(f.holder), '{{}}')
    FROM (
        SELECT c.taker, c.holder FROM pyrepl.collisions({user_table_name}, {user_key_name},
            {user_key_name}, 'user', p_users) c
        UNION
        SELECT c.taker, c.holder FROM pyrepl.collisions({profile_table_name},
            {profile_key_name}, {profile_user_name}, 'profile', p_profiles) c
        UNION
        SELECT c.taker, c.holder FROM pyrepl.collisions({enrollment_table_name},
            {enrollment_key_name}, {enrollment_user_name}, 'enrollment', p_enrollments) c
        ) f
    JOIN pyrepl.copy k ON k.user_id = f.holder AND NOT k.erased
    WHERE f.taker <> f.holder;
$holders_of$;

COMMENT ON FUNCTION pyrepl.holders_of(
    pyrepl.user_row[], pyrepl.profile_row[], pyrepl.enrollment_row[]) IS
    'whose copies hold what these rows bring; part of apply';
REVOKE ALL ON FUNCTION pyrepl.holders_of(
    pyrepl.user_row[], pyrepl.profile_row[], pyrepl.enrollment_row[]) FROM PUBLIC;
