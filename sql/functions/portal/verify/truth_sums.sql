-- What one course database holds of users from p_first on and before p_last, as digests,
-- if there are copies of members only: 16 bytes (bucket, XOR of hashes) for each bucket
-- of 2^p_shift ids. Where users have left or the course has accounts of its own it
-- differs from the course's digest_sums although all is well; truth tells. In return it
-- reads each table as it lies, and gathers nothing by user.
-- p_others: users who are not members, and everybody else is. NULL where that is not
-- known: then an enrollment that counts stands for a member, so that the bucket of
-- somebody without one differs, or with two.
-- Made for each database, in its contract.
-- Owner: pyrepl_reader
-- Slots: database, enrollment_chosen, enrollment_course, enrollment_digest,
--   enrollment_kept, enrollment_makes_member, enrollment_table, enrollment_user,
--   profile_chosen, profile_digest, profile_table, profile_user, text_formats,
--   truth_sums, user_chosen, user_digest, user_key, user_table
CREATE OR REPLACE FUNCTION pyrepl.{truth_sums}(
    p_first bigint, p_last bigint, p_shift integer, p_seed bigint, p_others bigint[],
    OUT members bigint, OUT digests bytea)
LANGUAGE plpgsql
STABLE
SET search_path = pg_catalog, pg_temp
SET row_security = off
SET plan_cache_mode = force_custom_plan
SET max_parallel_workers_per_gather = 0
SET enable_sort = off -- there are fewer buckets than the planner thinks
SET work_mem = '64MB'
SET jit = off
{text_formats}
AS $truth_sums$
DECLARE
    p_users bigint[];
    v_courses text[] := ARRAY(
        SELECT h.course FROM pyrepl.hosting h
        WHERE h.database_id = {database} AND h.active);
BEGIN
    SELECT coalesce(sum(b.members), 0),
        string_agg(int8send(b.number) || int8send(b.digest), '' ORDER BY b.number)
            FILTER (WHERE b.digest <> 0)
    INTO members, digests
    FROM (
        SELECT p.bucket, count(p.copy), bit_xor(p.digest # coalesce(p.copy, 0))
        FROM (
            SELECT r.{user_key}::bigint >> p_shift, CASE WHEN p_others IS NOT NULL
                THEN hashint8extended(r.{user_key}, p_seed - 1) END, {user_digest}
            FROM ONLY {user_table} r
            WHERE {user_chosen}
                AND (coalesce(p_others, '{{}}') = '{{}}'
                    OR r.{user_key}::bigint <> ALL (p_others))
            UNION ALL
            SELECT r.{profile_user}::bigint >> p_shift, NULL, {profile_digest}
            FROM ONLY {profile_table} r
            WHERE {profile_chosen}
                AND (coalesce(p_others, '{{}}') = '{{}}'
                    OR r.{profile_user}::bigint <> ALL (p_others))
            UNION ALL
            SELECT r.{enrollment_user}::bigint >> p_shift,
                CASE WHEN p_others IS NULL AND {enrollment_makes_member}
                    THEN hashint8extended(r.{enrollment_user}, p_seed - 1) END,
                {enrollment_digest}
            FROM ONLY {enrollment_table} r
            CROSS JOIN LATERAL (
                SELECT CASE WHEN r.{enrollment_course} = ANY (v_courses) THEN '' END)
                h(course)
            WHERE {enrollment_chosen} AND {enrollment_kept}) p(bucket, copy, digest)
        GROUP BY 1) b(number, members, digest);
END
$truth_sums$;

COMMENT ON FUNCTION pyrepl.{truth_sums}(bigint, bigint, integer, bigint, bigint[]) IS
    'digests of what one course database holds, if copies of members only';
REVOKE ALL ON FUNCTION pyrepl.{truth_sums}(bigint, bigint, integer, bigint, bigint[])
    FROM PUBLIC;
