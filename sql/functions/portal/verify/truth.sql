-- What one course database should hold of these users, or of those from p_first on and
-- before p_last, as digests: 16 bytes (bucket, XOR of hashes) for each bucket of
-- 2^p_shift ids in which there is something. An expected copy counts, and the rows of
-- members; of a copy whose user has left only the enrollments.
-- p_sparse: few users of the range are members, so do not begin with all of them.
-- Columns are bound late, so that the platform's migrations may alter them. Made for each
-- database, in its contract; verify compares it with the course's digest_buckets.
-- Owner: pyrepl_reader
-- Slots: copy_chosen, database, deleted_stays, digest_pieces, enrollment_chosen,
--   enrollment_counts, enrollment_course, enrollment_digest, enrollment_kept,
--   enrollment_table, enrollment_user, former_stays, text_formats, truth
CREATE OR REPLACE FUNCTION pyrepl.{truth}(
    p_users bigint[], p_first bigint, p_last bigint, p_shift integer, p_seed bigint,
    p_sparse boolean, OUT members bigint, OUT former bigint, OUT digests bytea)
LANGUAGE plpgsql
STABLE
SET search_path = pg_catalog, pg_temp
SET row_security = off
SET plan_cache_mode = force_custom_plan
SET enable_sort = off -- of arrays the planner knows nothing
SET jit = off
{text_formats}
AS $truth$
BEGIN
    IF p_sparse THEN
        p_users := ARRAY(
            SELECT r.{enrollment_user}::bigint
            FROM pyrepl.hosting h
            JOIN ONLY {enrollment_table} r ON r.{enrollment_course} = h.course
            WHERE h.database_id = {database} AND h.active
                AND r.{enrollment_user} >= p_first AND r.{enrollment_user} < p_last
            UNION
            SELECT p.user_id FROM pyrepl.placement p
            WHERE p.database_id = {database}
                AND p.user_id >= p_first AND p.user_id < p_last);
    END IF;
    WITH piece AS NOT MATERIALIZED (
        {digest_pieces}
        UNION ALL
        SELECT r.{enrollment_user}, CASE WHEN {enrollment_counts} THEN 4 ELSE 0 END, NULL,
            {enrollment_digest}
        FROM ONLY {enrollment_table} r
        LEFT JOIN pyrepl.hosting h ON h.course = r.{enrollment_course}
            AND h.database_id = {database} AND h.active
        WHERE {enrollment_chosen} AND {enrollment_kept}
        UNION ALL
        SELECT r.user_id, 8, NULL, NULL
        FROM pyrepl.placement r
        WHERE r.database_id = {database} AND {copy_chosen}
    ), person AS NOT MATERIALIZED (
        SELECT p.id, bit_or(p.flag) AS flags,
            bit_xor(p.own) AS own,
            bit_xor(p.held) AS held
        FROM piece p GROUP BY p.id
    ), bucket AS NOT MATERIALIZED (
        SELECT p.id >> p_shift AS number,
            count(*) FILTER (WHERE p.flags & 4 = 4) AS members,
            count(*) FILTER (WHERE f.stays AND p.flags & 4 = 0) AS former,
            bit_xor(CASE WHEN f.stays THEN hashint8extended(p.id, p_seed) ELSE 0 END
                # CASE WHEN p.flags & 5 = 5 THEN p.own ELSE 0 END
                # CASE WHEN p.flags & 1 = 1 AND p.flags & 12 <> 0
                    THEN coalesce(p.held, 0) ELSE 0 END) AS digest
        FROM person p
        CROSS JOIN LATERAL (SELECT p.flags & 5 = 5 OR p.flags & 8 = 8 AND CASE
            WHEN p.flags & 1 = 1 THEN {former_stays} ELSE {deleted_stays} END) f(stays)
        GROUP BY 1
    )
    SELECT sum(b.members), sum(b.former),
        string_agg(int8send(b.number) || int8send(b.digest), '' ORDER BY b.number)
            FILTER (WHERE b.digest <> 0)
    INTO members, former, digests
    FROM bucket b;
END
$truth$;

COMMENT ON FUNCTION pyrepl.{truth}(bigint[], bigint, bigint, integer, bigint, boolean) IS
    'digests of what one course database should hold';
REVOKE ALL ON FUNCTION pyrepl.{truth}(
    bigint[], bigint, bigint, integer, bigint, boolean) FROM PUBLIC;
