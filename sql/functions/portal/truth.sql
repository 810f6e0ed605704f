-- One hash for each row that one course database should hold: what verify compares with
-- the course's digest. A function, not a view: a view would keep the platform's migrations
-- from altering its columns. Made for each database, in its contract.
CREATE OR REPLACE FUNCTION pyrepl.{truth}()
RETURNS TABLE (part text, user_id bigint, digest bigint)
LANGUAGE sql
STABLE
SET search_path = pg_catalog, pg_temp
SET row_security = off
SET datestyle = 'ISO, YMD'
SET timezone = 'UTC'
SET intervalstyle = 'postgres'
SET extra_float_digits = 3
SET bytea_output = 'hex'
AS $truth$
WITH member AS (
    SELECT DISTINCT e.{enrollment_user}::bigint AS user_id
    FROM pyrepl.hosting h
    JOIN {enrollment_table} e ON e.{enrollment_course} = h.course AND {enrollment_active}
    WHERE h.database_id = {database} AND h.active
)
SELECT 'user'::text AS part, m.user_id,
    hash_record_extended(ROW({user_digest})::record, 0) AS digest
FROM member m
JOIN {user_table} r ON r.{user_key} = m.user_id
UNION ALL
SELECT 'profile', m.user_id, hash_record_extended(ROW({profile_digest})::record, 0)
FROM member m
JOIN {user_table} u ON u.{user_key} = m.user_id
JOIN {profile_table} r ON r.{profile_user} = m.user_id
UNION ALL
SELECT 'enrollment', r.{enrollment_user},
    hash_record_extended(ROW({enrollment_digest})::record, 0)
FROM {enrollment_table} r
JOIN {user_table} u ON u.{user_key} = r.{enrollment_user}
WHERE {enrollment_held}
    AND (EXISTS (SELECT FROM member m WHERE m.user_id = r.{enrollment_user})
        OR EXISTS (SELECT FROM pyrepl.placement p
            WHERE p.user_id = r.{enrollment_user} AND p.database_id = {database}));
$truth$;

COMMENT ON FUNCTION pyrepl.{truth}() IS
    'a hash for each row that one course database should hold';
REVOKE ALL ON FUNCTION pyrepl.{truth}() FROM PUBLIC;
