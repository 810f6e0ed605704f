-- Digests of what a course database holds if there are copies of members only: verify's
-- first view of this side; see truth_sums, and truth_total for p_shift = 63.
CREATE OR REPLACE FUNCTION pyrepl.sums_here(
    p_database integer, p_first bigint, p_last bigint, p_shift integer, p_seed bigint,
    OUT members bigint, OUT digests bytea)
LANGUAGE plpgsql
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET row_security = off
AS $sums_here$
BEGIN
    IF p_shift = 63 THEN
        EXECUTE format('SELECT * FROM pyrepl.truth_total_%s($1, $2, $3)', p_database)
            INTO members, digests USING p_first, p_last, p_seed;
    ELSE
        EXECUTE format('SELECT * FROM pyrepl.truth_sums_%s($1, $2, $3, $4)', p_database)
            INTO members, digests USING p_first, p_last, p_shift, p_seed;
    END IF;
END
$sums_here$;

COMMENT ON FUNCTION pyrepl.sums_here(integer, bigint, bigint, integer, bigint) IS
    'digests of what a course database holds, if copies of members only';
REVOKE ALL ON FUNCTION pyrepl.sums_here(integer, bigint, bigint, integer, bigint)
    FROM PUBLIC;
GRANT EXECUTE ON FUNCTION pyrepl.sums_here(integer, bigint, bigint, integer, bigint)
    TO pyrepl_monitor;
