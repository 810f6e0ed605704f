-- What one course database holds of users from p_first on and before p_last, as a single
-- digest, if there are copies of members only: as truth_sums, without buckets, which take
-- a third of its time. All rows are summed up; an XOR with those of users who are not
-- members takes these away again. Nothing where so many are not that this is slower. Made
-- for each database, in its contract.
CREATE OR REPLACE FUNCTION pyrepl.{truth_total}(
    p_first bigint, p_last bigint, p_seed bigint, OUT members bigint, OUT digests bytea)
LANGUAGE plpgsql
STABLE
SET search_path = pg_catalog, pg_temp
SET row_security = off
SET plan_cache_mode = force_custom_plan
SET max_parallel_workers_per_gather = 0
SET enable_hashjoin = off -- indexes are in the order of ids
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
    v_others bigint[] := ARRAY(
        SELECT u.id
        FROM (SELECT r.{user_key} AS id FROM {user_table} r WHERE {user_chosen}) u
        LEFT JOIN (
            SELECT r.{enrollment_user} AS id
            FROM {enrollment_table} r
            WHERE r.{enrollment_course} = ANY (v_courses) AND {enrollment_counts}
                AND {enrollment_chosen}) m ON m.id = u.id
        WHERE m.id IS NULL
        LIMIT (p_last - p_first) / 4);
BEGIN
    IF cardinality(v_others) = (p_last - p_first) / 4 THEN
        RETURN;
    END IF;
    SELECT count(p.copy) - 2 * cardinality(v_others), int8send(
        coalesce(bit_xor(hashint8extended(p.own, p_seed) # p.own), 0)
            # coalesce(bit_xor(p.copy), 0))
    INTO members, digests
    FROM (
        SELECT {user_digest} AS own, hashint8extended(r.{user_key}, p_seed - 1) AS copy
        FROM {user_table} r
        WHERE {user_chosen}
        UNION ALL
        SELECT {profile_digest}, NULL
        FROM {profile_table} r
        WHERE {profile_chosen}
        UNION ALL
        SELECT {enrollment_digest}, NULL
        FROM {enrollment_table} r
        CROSS JOIN LATERAL (
            SELECT CASE WHEN r.{enrollment_course} = ANY (v_courses) THEN '' END) h(course)
        WHERE {enrollment_chosen} AND {enrollment_kept}
        UNION ALL
        SELECT {user_digest}, hashint8extended(r.{user_key}, p_seed - 1)
        FROM unnest(v_others) o(id)
        JOIN {user_table} r ON r.{user_key} = o.id
        UNION ALL
        SELECT {profile_digest}, NULL
        FROM unnest(v_others) o(id)
        JOIN {profile_table} r ON r.{profile_user} = o.id) p;
END
$truth_total$;

COMMENT ON FUNCTION pyrepl.{truth_total}(bigint, bigint, bigint) IS
    'one digest of what one course database holds, if copies of members only';
REVOKE ALL ON FUNCTION pyrepl.{truth_total}(bigint, bigint, bigint) FROM PUBLIC;
