-- Compare what a course database should hold with what it holds, by digests: a count and
-- the XOR of all row hashes for each bucket of user ids; where users are named, for each of
-- them. Returns what differs. The course aggregates its side. Exact only while nobody
-- delivers: see look_again. Locks: none.
CREATE OR REPLACE FUNCTION pyrepl.compare(
    p_database integer, p_buckets bigint, p_only bigint[] DEFAULT NULL)
RETURNS TABLE (part text, bucket bigint, here bigint, there bigint)
LANGUAGE plpgsql
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET row_security = off
AS $compare$
BEGIN
    RETURN QUERY EXECUTE format($digests$
        WITH here AS MATERIALIZED (
            SELECT t.part, %2$s AS bucket, count(*) AS n, bit_xor(t.digest) AS x
            FROM pyrepl.truth_%1$s() t WHERE %4$s GROUP BY 1, 2
        ), there AS MATERIALIZED (
            SELECT t.part, %2$s AS bucket, count(*) AS n, bit_xor(t.digest) AS x
            FROM pyrepl.digest_%1$s t WHERE %4$s GROUP BY 1, 2
        )
        SELECT coalesce(h.part, t.part), coalesce(h.bucket, t.bucket),
            coalesce(h.n, 0), coalesce(t.n, 0)
        FROM here h
        FULL JOIN there t ON t.part = h.part AND t.bucket = h.bucket
        WHERE (h.n, h.x) IS DISTINCT FROM (t.n, t.x)
        ORDER BY 2, 1
        $digests$,
        p_database,
        CASE WHEN p_only IS NULL THEN format('t.user_id %% %s', p_buckets)
            ELSE 't.user_id' END,
        p_buckets,
        CASE WHEN p_only IS NULL THEN 'true'
            ELSE format('t.user_id %% %s = ANY (%L::bigint[])', p_buckets, p_only) END);
END
$compare$;

COMMENT ON FUNCTION pyrepl.compare(integer, bigint, bigint[]) IS
    'buckets of users (or users of some buckets) whose rows differ at portal and course';
REVOKE ALL ON FUNCTION pyrepl.compare(integer, bigint, bigint[]) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION pyrepl.compare(integer, bigint, bigint[]) TO pyrepl_monitor;
