-- What one course database holds of users from p_first on and before p_last, as a single
-- digest, if there are copies of members only: as truth_sums, without buckets, which take
-- a quarter of its time. Made for each database, in its contract.
CREATE OR REPLACE FUNCTION pyrepl.{truth_total}(
    p_first bigint, p_last bigint, p_seed bigint, p_others bigint[],
    OUT members bigint, OUT parity bigint, OUT digests bytea)
LANGUAGE plpgsql
STABLE
SET search_path = pg_catalog, pg_temp
SET row_security = off
SET plan_cache_mode = force_custom_plan
SET max_parallel_workers_per_gather = 0
SET jit = off
SET datestyle = 'ISO, YMD'
SET timezone = 'UTC'
SET intervalstyle = 'postgres'
SET extra_float_digits = 3
SET bytea_output = 'hex'
AS $truth_total$
DECLARE
    p_users bigint[];
    v_courses text[] := ARRAY(
        SELECT h.course FROM pyrepl.hosting h
        WHERE h.database_id = {database} AND h.active);
BEGIN
    SELECT u.members, coalesce(u.copies, 0) # coalesce(e.copies, 0),
        int8send(coalesce(u.digest # u.copies, 0)
            # coalesce(p.digest, 0) # coalesce(e.digest, 0))
    INTO members, parity, digests
    FROM (
        SELECT count(*) AS members, bit_xor(r.copy) AS copies,
            bit_xor(hashint8extended(r.own, p_seed) # r.own) AS digest
        FROM (
            SELECT {user_digest} AS own, hashint8extended(r.{user_key}, p_seed - 1) AS copy
            FROM {user_table} r
            WHERE {user_chosen}
                AND (p_others = '{{}}' OR r.{user_key}::bigint <> ALL (p_others))
            OFFSET 0) r) u
    CROSS JOIN (
        SELECT bit_xor(hashint8extended(r.own, p_seed) # r.own) AS digest
        FROM (
            SELECT {profile_digest} AS own
            FROM {profile_table} r
            WHERE {profile_chosen}
                AND (p_others = '{{}}' OR r.{profile_user}::bigint <> ALL (p_others))
            OFFSET 0) r) p
    CROSS JOIN (
        SELECT bit_xor(hashint8extended(r.own, p_seed) # r.own) AS digest,
            bit_xor(r.copy) AS copies
        FROM (
            SELECT {enrollment_digest} AS own,
                CASE WHEN {enrollment_makes_member}
                    THEN hashint8extended(r.{enrollment_user}, p_seed - 1) END AS copy
            FROM {enrollment_table} r
            CROSS JOIN LATERAL (
                SELECT CASE WHEN r.{enrollment_course} = ANY (v_courses) THEN '' END)
                h(course)
            WHERE {enrollment_chosen} AND {enrollment_kept}
            OFFSET 0) r) e;
END
$truth_total$;

COMMENT ON FUNCTION pyrepl.{truth_total}(bigint, bigint, bigint, bigint[]) IS
    'one digest of what one course database holds, if copies of members only';
REVOKE ALL ON FUNCTION pyrepl.{truth_total}(bigint, bigint, bigint, bigint[]) FROM PUBLIC;
