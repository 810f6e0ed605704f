-- What is here of these users, or of those from p_first on and before p_last, as digests:
-- 16 bytes (bucket, XOR of hashes) for each bucket of 2^p_shift ids in which there is
-- something. A copy counts, user and profile of those who are enrolled, and enrollments,
-- also of a copy that was erased. Local accounts do not. Columns are bound late, so that
-- the platform's migrations may alter them.
-- Slots: copy_chosen, digest_pieces, enrollment_chosen, enrollment_counts,
--   enrollment_digest, enrollment_table, enrollment_user, text_formats
CREATE OR REPLACE FUNCTION pyrepl.digest_buckets(
    p_users bigint[], p_first bigint, p_last bigint, p_shift integer, p_seed bigint)
RETURNS bytea
LANGUAGE plpgsql
STABLE
SET search_path = pg_catalog, pg_temp
SET row_security = off
SET plan_cache_mode = force_custom_plan
SET enable_sort = off -- of arrays the planner knows nothing
SET jit = off
{text_formats}
AS $digest_buckets$
BEGIN
    RETURN (WITH piece AS NOT MATERIALIZED (
        {digest_pieces}
        UNION ALL
        SELECT r.{enrollment_user}, CASE WHEN {enrollment_counts} THEN 4 ELSE 0 END, NULL,
            {enrollment_digest}
        FROM ONLY {enrollment_table} r
        WHERE {enrollment_chosen}
        UNION ALL
        SELECT r.user_id, CASE WHEN r.erased THEN 8 ELSE 10 END, NULL, NULL
        FROM pyrepl.copy r
        WHERE {copy_chosen}
    ), person AS NOT MATERIALIZED (
        SELECT p.id, bit_or(p.flag) AS flags,
            bit_xor(p.own) AS own,
            bit_xor(p.held) AS held
        FROM piece p GROUP BY p.id
    ), bucket AS NOT MATERIALIZED (
        SELECT p.id >> p_shift AS number,
            bit_xor(CASE WHEN p.flags & 2 = 2 THEN hashint8extended(p.id, p_seed) ELSE 0 END
                # CASE WHEN p.flags & 6 = 6 THEN coalesce(p.own, 0) ELSE 0 END
                # coalesce(p.held, 0)) AS digest
        FROM person p
        WHERE p.flags & 8 = 8
        GROUP BY 1
    )
    SELECT string_agg(int8send(b.number) || int8send(b.digest), '' ORDER BY b.number)
        FILTER (WHERE b.digest <> 0)
    FROM bucket b);
END
$digest_buckets$;

COMMENT ON FUNCTION pyrepl.digest_buckets(bigint[], bigint, bigint, integer, bigint) IS
    'digests of the copies that are here; part of verify';
REVOKE ALL ON FUNCTION pyrepl.digest_buckets(bigint[], bigint, bigint, integer, bigint)
    FROM PUBLIC;
