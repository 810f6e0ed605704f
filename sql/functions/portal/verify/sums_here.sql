-- Digests of what a course database holds if there are copies of members only: verify's
-- first view of this side; see truth_sums, and truth_total for p_shift = 63.
-- To look for users who are not members takes a third of the time. So that is left out
-- unless there is one among the first ids, or several courses, in which a member may well
-- be enrolled twice.
-- Owner: pyrepl_reader
-- Slots: require_tables
CREATE OR REPLACE FUNCTION pyrepl.sums_here(
    p_database integer, p_first bigint, p_last bigint, p_shift integer, p_seed bigint,
    OUT members bigint, OUT digests bytea)
LANGUAGE plpgsql
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET row_security = off
AS $sums_here$
DECLARE
    v_others bigint[];
BEGIN
    {require_tables};
    IF 1 < (
            SELECT count(*) FROM pyrepl.hosting h
            WHERE h.database_id = p_database AND h.active)
        OR pyrepl.non_members(p_database, p_first,
            least(p_first::numeric + 1024, p_last)::bigint) <> '{{}}'
    THEN
        v_others := pyrepl.non_members(p_database, p_first, p_last);
    END IF;
    IF p_shift = 63 THEN
        EXECUTE format('SELECT * FROM pyrepl.truth_total_%s($1, $2, $3, $4)', p_database)
            INTO members, digests USING p_first, p_last, p_seed, v_others;
    ELSE
        EXECUTE format('SELECT * FROM pyrepl.truth_sums_%s($1, $2, $3, $4, $5)', p_database)
            INTO members, digests USING p_first, p_last, p_shift, p_seed, v_others;
    END IF;
    RAISE SQLSTATE 'PR009';  -- taken back, see refuse_tables
EXCEPTION WHEN SQLSTATE 'PR009' THEN NULL;
END
$sums_here$;

COMMENT ON FUNCTION pyrepl.sums_here(integer, bigint, bigint, integer, bigint) IS
    'digests of what a course database holds, if copies of members only';
REVOKE ALL ON FUNCTION pyrepl.sums_here(integer, bigint, bigint, integer, bigint)
    FROM PUBLIC;
GRANT EXECUTE ON FUNCTION pyrepl.sums_here(integer, bigint, bigint, integer, bigint)
    TO pyrepl_owner, pyrepl_monitor;
