-- One hash a row, of the agreed columns without the exempt ones, for verification: user
-- and profile of everybody enrolled here, all enrollments of copies. A function, so that
-- the platform's migrations may alter the columns.
CREATE OR REPLACE FUNCTION pyrepl.digest_rows()
RETURNS TABLE (part text, user_id bigint, digest bigint)
LANGUAGE sql
STABLE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET row_security = off
SET datestyle = 'ISO, YMD'
SET timezone = 'UTC'
SET intervalstyle = 'postgres'
SET extra_float_digits = 3
SET bytea_output = 'hex'
AS $digest_rows$
SELECT 'user'::text AS part, c.user_id,
    hash_record_extended(ROW({user_digest})::record, 0) AS digest
FROM pyrepl.copy c
JOIN {user_table} r ON r.{user_key} = c.user_id
WHERE EXISTS (
    SELECT FROM {enrollment_table} e
    WHERE e.{enrollment_user} = c.user_id AND {enrollment_active})
UNION ALL
SELECT 'profile', c.user_id, hash_record_extended(ROW({profile_digest})::record, 0)
FROM pyrepl.copy c
JOIN {profile_table} r ON r.{profile_user} = c.user_id
WHERE EXISTS (
    SELECT FROM {enrollment_table} e
    WHERE e.{enrollment_user} = c.user_id AND {enrollment_active})
UNION ALL
SELECT 'enrollment', c.user_id, hash_record_extended(ROW({enrollment_digest})::record, 0)
FROM pyrepl.copy c
JOIN {enrollment_table} r ON r.{enrollment_user} = c.user_id;
$digest_rows$;

COMMENT ON FUNCTION pyrepl.digest_rows() IS
    'a hash for each replicated row of this course database';
REVOKE ALL ON FUNCTION pyrepl.digest_rows() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION pyrepl.digest_rows() TO {link_role};
