-- Digests of what a course database should hold: verify's view of this side. Either of
-- these users, or of ids from p_first on and before p_last; see truth.
CREATE OR REPLACE FUNCTION pyrepl.digest_here(
    p_database integer, p_users bigint[], p_first bigint, p_last bigint, p_shift integer,
    p_seed bigint, p_sparse boolean,
    OUT members bigint, OUT former bigint, OUT digests bytea)
LANGUAGE plpgsql
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET row_security = off
AS $digest_here$
BEGIN
    -- In steps that fit the processor's cache. Few users of a large range take one.
    EXECUTE format($here$
        SELECT sum(t.members), sum(t.former), string_agg(t.digests, '' ORDER BY s.first)
        FROM generate_series(coalesce($2, 0), coalesce($3, 1) - 1,
            CASE WHEN $6 THEN greatest($3 - $2, 1) ELSE 16384 END) s(first)
        CROSS JOIN LATERAL pyrepl.truth_%s(
            $1, s.first, CASE WHEN $6 THEN $3 ELSE least(s.first + 16384, $3) END,
            $4, $5, $6) t
        $here$, p_database)
        INTO members, former, digests
        USING p_users, p_first, p_last, p_shift, p_seed, p_sparse;
END
$digest_here$;

COMMENT ON FUNCTION pyrepl.digest_here(
    integer, bigint[], bigint, bigint, integer, bigint, boolean) IS
    'digests of what a course database should hold';
REVOKE ALL ON FUNCTION pyrepl.digest_here(
    integer, bigint[], bigint, bigint, integer, bigint, boolean) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION pyrepl.digest_here(
    integer, bigint[], bigint, bigint, integer, bigint, boolean) TO pyrepl_monitor;
