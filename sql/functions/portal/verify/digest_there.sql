-- Digests of what a course database holds, computed there: verify's view of that side.
-- Either of these users, or of ids from p_first on and before p_last; p_sums: of all rows,
-- without a look at whom they are of. Raises PR017 where the answer is longer than what
-- was asked, or cut. Remote: one UPDATE, which stores nothing.
CREATE OR REPLACE FUNCTION pyrepl.digest_there(
    p_database integer, p_users bigint[], p_first bigint, p_last bigint, p_shift integer,
    p_seed bigint, p_sums boolean, OUT digests bytea)
LANGUAGE plpgsql
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $digest_there$
DECLARE
    v_most numeric := CASE WHEN p_users IS NOT NULL THEN cardinality(p_users)
        WHEN p_shift > 62 THEN 1 ELSE least(
            (p_last::numeric - p_first) / (1::bigint << p_shift) + 2, 1 << 20) END;
    v_width integer := CASE WHEN p_shift > 62 THEN 8 ELSE 16 END;  -- a total has no number
BEGIN
    EXECUTE format(
        'UPDATE pyrepl.digest_%s d SET users = $1, first = $2, last = $3, shift = $4, '
        'seed = $5, sums = $6 RETURNING d.digests', p_database)
        INTO digests USING p_users, p_first, p_last, p_shift, p_seed, p_sums;
    IF octet_length(digests) % v_width <> 0 OR octet_length(digests) / v_width > v_most THEN
        RAISE 'the course database answers what cannot be read: digests'
            USING ERRCODE = 'PR017', HINT = 'Run "pyreplctl course refresh".';
    END IF;
END
$digest_there$;

COMMENT ON FUNCTION pyrepl.digest_there(
    integer, bigint[], bigint, bigint, integer, bigint, boolean) IS
    'digests of what a course database holds';
REVOKE ALL ON FUNCTION pyrepl.digest_there(
    integer, bigint[], bigint, bigint, integer, bigint, boolean) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION pyrepl.digest_there(
    integer, bigint[], bigint, bigint, integer, bigint, boolean) TO pyrepl_monitor;
