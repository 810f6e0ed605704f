-- What one course database holds of users from p_first on and before p_last, as digests,
-- if there are copies of members only: 16 bytes (bucket, XOR of hashes) for each bucket
-- of 2^p_shift ids. Where users have left or the course has accounts of its own it
-- differs from the course's digest_sums although all is well; truth tells. In return it
-- reads each table as it lies, and gathers nothing by user. p_others: users who are not
-- members. Parity: 0 if every other user has an odd number of enrollments that count.
-- Made for each database, in its contract.
CREATE OR REPLACE FUNCTION pyrepl.{truth_sums}(
    p_first bigint, p_last bigint, p_shift integer, p_seed bigint, p_others bigint[],
    OUT members bigint, OUT parity bigint, OUT digests bytea)
LANGUAGE plpgsql
STABLE
SET search_path = pg_catalog, pg_temp
SET row_security = off
SET plan_cache_mode = force_custom_plan
SET max_parallel_workers_per_gather = 0
SET enable_sort = off -- there are fewer buckets than the planner thinks
SET work_mem = '64MB'
SET jit = off
SET datestyle = 'ISO, YMD'
SET timezone = 'UTC'
SET intervalstyle = 'postgres'
SET extra_float_digits = 3
SET bytea_output = 'hex'
AS $truth_sums$
DECLARE
    p_users bigint[];
    v_courses text[] := ARRAY(
        SELECT h.course FROM pyrepl.hosting h
        WHERE h.database_id = {database} AND h.active);
BEGIN
    WITH piece AS NOT MATERIALIZED (
        SELECT r.bucket, count(*) AS members, bit_xor(r.copy) AS copies,
            bit_xor(hashint8extended(r.own, p_seed) # r.own # r.copy) AS digest
        FROM (
            SELECT r.{user_key}::bigint >> p_shift AS bucket, {user_digest} AS own,
                hashint8extended(r.{user_key}, p_seed - 1) AS copy
            FROM {user_table} r
            WHERE {user_chosen}
                AND (p_others = '{{}}' OR r.{user_key}::bigint <> ALL (p_others))
            OFFSET 0) r
        GROUP BY 1
        UNION ALL
        SELECT r.bucket, 0, NULL, bit_xor(hashint8extended(r.own, p_seed) # r.own)
        FROM (
            SELECT r.{profile_user}::bigint >> p_shift AS bucket, {profile_digest} AS own
            FROM {profile_table} r
            WHERE {profile_chosen}
                AND (p_others = '{{}}' OR r.{profile_user}::bigint <> ALL (p_others))
            OFFSET 0) r
        GROUP BY 1
        UNION ALL
        SELECT r.bucket, 0, bit_xor(r.copy),
            bit_xor(hashint8extended(r.own, p_seed) # r.own)
        FROM (
            SELECT r.{enrollment_user}::bigint >> p_shift AS bucket,
                {enrollment_digest} AS own,
                CASE WHEN {enrollment_makes_member}
                    THEN hashint8extended(r.{enrollment_user}, p_seed - 1) END AS copy
            FROM {enrollment_table} r
            CROSS JOIN LATERAL (
                SELECT CASE WHEN r.{enrollment_course} = ANY (v_courses) THEN '' END)
                h(course)
            WHERE {enrollment_chosen} AND {enrollment_kept}
            OFFSET 0) r
        GROUP BY 1
    )
    SELECT coalesce(sum(b.members), 0), coalesce(bit_xor(b.copies), 0),
        string_agg(int8send(b.number) || int8send(b.digest), '' ORDER BY b.number)
            FILTER (WHERE b.digest <> 0)
    INTO members, parity, digests
    FROM (
        SELECT p.bucket, sum(p.members), bit_xor(p.copies), bit_xor(p.digest)
        FROM piece p GROUP BY 1) b(number, members, copies, digest);
END
$truth_sums$;

COMMENT ON FUNCTION pyrepl.{truth_sums}(bigint, bigint, integer, bigint, bigint[]) IS
    'digests of what one course database holds, if copies of members only';
REVOKE ALL ON FUNCTION pyrepl.{truth_sums}(bigint, bigint, integer, bigint, bigint[])
    FROM PUBLIC;
