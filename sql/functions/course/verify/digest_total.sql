-- What is here of users from p_first on and before p_last, as a single digest: as
-- digest_sums, without buckets, which take a quarter of its time.
-- Slots: copy_chosen, enrollment_chosen, enrollment_digest, enrollment_table,
--   profile_chosen, profile_digest, profile_table, text_formats, user_chosen,
--   user_digest, user_table
CREATE OR REPLACE FUNCTION pyrepl.digest_total(
    p_first bigint, p_last bigint, p_seed bigint)
RETURNS bytea
LANGUAGE plpgsql
STABLE
SET search_path = pg_catalog, pg_temp
SET row_security = off
SET plan_cache_mode = force_custom_plan
SET max_parallel_workers_per_gather = 0
SET jit = off
{text_formats}
AS $digest_total$
DECLARE
    p_users bigint[];
BEGIN
    RETURN (
        SELECT int8send(bit_xor(p.digest))
        FROM (
            SELECT coalesce(bit_xor({user_digest}), 0)
            FROM ONLY {user_table} r
            WHERE {user_chosen}
            UNION ALL
            SELECT bit_xor({profile_digest})
            FROM ONLY {profile_table} r
            WHERE {profile_chosen}
            UNION ALL
            SELECT bit_xor({enrollment_digest})
            FROM ONLY {enrollment_table} r
            WHERE {enrollment_chosen}
            UNION ALL
            SELECT bit_xor(hashint8extended(r.user_id, p_seed - 1))
            FROM pyrepl.copy r
            WHERE NOT r.erased AND {copy_chosen}) p(digest));
END
$digest_total$;

COMMENT ON FUNCTION pyrepl.digest_total(bigint, bigint, bigint) IS
    'one digest of all rows that are here; part of verify';
REVOKE ALL ON FUNCTION pyrepl.digest_total(bigint, bigint, bigint) FROM PUBLIC;
