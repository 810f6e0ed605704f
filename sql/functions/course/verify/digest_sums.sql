-- What is here of users from p_first on and before p_last, as digests without a look at
-- whom it is of: 16 bytes (bucket, XOR of hashes) for each bucket of 2^p_shift ids in
-- which there is something. Every row counts, and every copy that was not erased. Where
-- this equals the portal's truth_sums there is nothing but copies of members here, all
-- equal; where it does not, digest_buckets tells.
-- Slots: copy_chosen, enrollment_chosen, enrollment_digest, enrollment_table,
--   enrollment_user, profile_chosen, profile_digest, profile_table, profile_user,
--   text_formats, user_chosen, user_digest, user_key, user_table
CREATE OR REPLACE FUNCTION pyrepl.digest_sums(
    p_first bigint, p_last bigint, p_shift integer, p_seed bigint)
RETURNS bytea
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
AS $digest_sums$
DECLARE
    p_users bigint[];
BEGIN
    RETURN (
        SELECT string_agg(int8send(b.number) || int8send(b.digest), '' ORDER BY b.number)
            FILTER (WHERE b.digest <> 0)
        FROM (
            SELECT p.bucket, bit_xor(p.digest)
            FROM (
                SELECT r.{user_key}::bigint >> p_shift, {user_digest}
                FROM ONLY {user_table} r
                WHERE {user_chosen}
                UNION ALL
                SELECT r.{profile_user}::bigint >> p_shift, {profile_digest}
                FROM ONLY {profile_table} r
                WHERE {profile_chosen}
                UNION ALL
                SELECT r.{enrollment_user}::bigint >> p_shift, {enrollment_digest}
                FROM ONLY {enrollment_table} r
                WHERE {enrollment_chosen}
                UNION ALL
                SELECT r.user_id >> p_shift, hashint8extended(r.user_id, p_seed - 1)
                FROM pyrepl.copy r
                WHERE NOT r.erased AND {copy_chosen}) p(bucket, digest)
            GROUP BY 1) b(number, digest));
END
$digest_sums$;

COMMENT ON FUNCTION pyrepl.digest_sums(bigint, bigint, integer, bigint) IS
    'digests of all rows that are here; part of verify';
REVOKE ALL ON FUNCTION pyrepl.digest_sums(bigint, bigint, integer, bigint) FROM PUBLIC;
