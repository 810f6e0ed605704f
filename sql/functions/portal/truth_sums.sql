-- What one course database holds of users from p_first on and before p_last, as digests,
-- if there are copies of members only: 16 bytes (bucket, XOR of hashes) for each bucket
-- of 2^p_shift ids. Where users have left or the course has accounts of its own it
-- differs from the course's digest_sums although all is well; truth tells. In return it
-- gathers nothing by user. Made for each database, in its contract.
CREATE OR REPLACE FUNCTION pyrepl.{truth_sums}(
    p_first bigint, p_last bigint, p_shift integer, p_seed bigint,
    OUT members bigint, OUT digests bytea)
LANGUAGE plpgsql
STABLE
SET search_path = pg_catalog, pg_temp
SET row_security = off
SET plan_cache_mode = force_custom_plan
SET max_parallel_workers_per_gather = 0
SET enable_sort = off -- there are fewer buckets than the planner thinks
SET enable_hashjoin = off -- indexes are in the order of ids, and most are members
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
    WITH member AS NOT MATERIALIZED (
        SELECT r.{enrollment_user} AS id
        FROM {enrollment_table} r
        WHERE r.{enrollment_course} = ANY (v_courses) AND {enrollment_counts}
            AND {enrollment_chosen}
    ), piece AS NOT MATERIALIZED (
        SELECT u.id, hashint8extended(u.id, p_seed) AS copy, u.own, p.own AS profile
        FROM (
            SELECT r.{user_key}::bigint AS id, r.{user_key} AS key, {user_digest} AS own
            FROM {user_table} r WHERE {user_chosen}) u
        LEFT JOIN (
            SELECT r.{profile_user} AS key, {profile_digest} AS own
            FROM {profile_table} r WHERE {profile_chosen}) p ON p.key = u.key
        WHERE u.key IN (SELECT m.id FROM member m)
        UNION ALL
        SELECT r.{enrollment_user}, NULL, {enrollment_digest}, NULL
        FROM {enrollment_table} r
        CROSS JOIN LATERAL (
            SELECT CASE WHEN r.{enrollment_course} = ANY (v_courses) THEN '' END) h(course)
        WHERE {enrollment_chosen} AND {enrollment_kept}
    ), bucket AS NOT MATERIALIZED (
        SELECT p.id >> p_shift AS number, count(p.copy) AS members,
            bit_xor(hashint8extended(p.own, p_seed) # p.own)
                # coalesce(bit_xor(hashint8extended(p.copy, p_seed) # p.copy), 0)
                # coalesce(bit_xor(hashint8extended(p.profile, p_seed) # p.profile), 0)
                AS digest
        FROM piece p
        GROUP BY 1
    )
    SELECT coalesce(sum(b.members), 0),
        string_agg(int8send(b.number) || int8send(b.digest), '' ORDER BY b.number)
            FILTER (WHERE b.digest <> 0)
    INTO members, digests
    FROM bucket b;
END
$truth_sums$;

COMMENT ON FUNCTION pyrepl.{truth_sums}(bigint, bigint, integer, bigint) IS
    'digests of what one course database holds, if copies of members only';
REVOKE ALL ON FUNCTION pyrepl.{truth_sums}(bigint, bigint, integer, bigint) FROM PUBLIC;
