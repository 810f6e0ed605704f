-- What one course database holds of users from p_first on and before p_last, as a single
-- digest, if there are copies of members only: as truth_sums, without buckets, which take
-- a quarter of its time. Made for each database, in its contract.
-- Owner: pyrepl_reader
-- Slots: database, enrollment_chosen, enrollment_course, enrollment_digest,
--   enrollment_kept, enrollment_makes_member, enrollment_table, enrollment_user,
--   profile_chosen, profile_digest, profile_table, profile_user, text_formats,
--   truth_total, user_chosen, user_digest, user_key, user_table
CREATE OR REPLACE FUNCTION pyrepl.{truth_total}(
    p_first bigint, p_last bigint, p_seed bigint, p_others bigint[],
    OUT members bigint, OUT digests bytea)
LANGUAGE plpgsql
STABLE
SET search_path = pg_catalog, pg_temp
SET row_security = off
SET plan_cache_mode = force_custom_plan
SET max_parallel_workers_per_gather = 0
SET jit = off
{text_formats}
AS $truth_total$
DECLARE
    p_users bigint[];
    v_courses text[] := ARRAY(
        SELECT h.course FROM pyrepl.hosting h
        WHERE h.database_id = {database} AND h.active);
BEGIN
    SELECT sum(p.members), int8send(bit_xor(p.digest) # coalesce(bit_xor(p.copies), 0))
    INTO members, digests
    FROM (
        SELECT count(c.copy), bit_xor(c.copy), coalesce(bit_xor({user_digest}), 0)
        FROM ONLY {user_table} r
        CROSS JOIN LATERAL (
            SELECT CASE WHEN p_others IS NOT NULL
                THEN hashint8extended(r.{user_key}, p_seed - 1) END) c(copy)
        WHERE {user_chosen}
            AND (coalesce(p_others, '{{}}') = '{{}}'
                OR r.{user_key}::bigint <> ALL (p_others))
        UNION ALL
        SELECT 0, NULL, bit_xor({profile_digest})
        FROM ONLY {profile_table} r
        WHERE {profile_chosen}
            AND (coalesce(p_others, '{{}}') = '{{}}'
                OR r.{profile_user}::bigint <> ALL (p_others))
        UNION ALL
        SELECT count(c.copy), bit_xor(c.copy), bit_xor({enrollment_digest})
        FROM ONLY {enrollment_table} r
        CROSS JOIN LATERAL (
            SELECT CASE WHEN r.{enrollment_course} = ANY (v_courses) THEN '' END) h(course)
        CROSS JOIN LATERAL (
            SELECT CASE WHEN p_others IS NULL AND {enrollment_makes_member}
                THEN hashint8extended(r.{enrollment_user}, p_seed - 1) END) c(copy)
        WHERE {enrollment_chosen} AND {enrollment_kept}) p(members, copies, digest);
END
$truth_total$;

COMMENT ON FUNCTION pyrepl.{truth_total}(bigint, bigint, bigint, bigint[]) IS
    'one digest of what one course database holds, if copies of members only';
REVOKE ALL ON FUNCTION pyrepl.{truth_total}(bigint, bigint, bigint, bigint[]) FROM PUBLIC;
