-- Digests of what a course database should hold: verify's view of this side. Either of
-- these users, or of ids from p_first on and before p_last; see truth.
-- Owner: pyrepl_reader
-- Slots: enrollment_table, enrollment_user, require_tables
CREATE OR REPLACE FUNCTION pyrepl.digest_here(
    p_database integer, p_users bigint[], p_first bigint, p_last bigint, p_shift integer,
    p_seed bigint, p_sparse boolean,
    OUT members bigint, OUT former bigint, OUT digests bytea)
LANGUAGE plpgsql
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET row_security = off
AS $digest_here$
DECLARE
    v_truth text := format('SELECT * FROM pyrepl.truth_%s($1, $2, $3, $4, $5, $6)',
        p_database);
    v_first bigint := p_first;
    v_last bigint;
    v_step record;
BEGIN
    {require_tables};
    IF p_users IS NOT NULL OR p_sparse THEN
        EXECUTE v_truth INTO members, former, digests
            USING p_users, p_first, p_last, p_shift, p_seed, p_sparse;
        RAISE SQLSTATE 'PR009';
    END IF;
    -- In steps that fit the processor's cache; ids of nobody are skipped.
    LOOP
        SELECT min(i.id) INTO v_first
        FROM (
            SELECT min(e.{enrollment_user}) FROM ONLY {enrollment_table} e
            WHERE e.{enrollment_user} >= v_first AND e.{enrollment_user} < p_last
            UNION ALL
            SELECT min(p.user_id) FROM pyrepl.placement p
            WHERE p.user_id >= v_first AND p.user_id < p_last) i(id);
        EXIT WHEN v_first IS NULL;
        v_first := greatest(v_first & -16384, p_first);
        v_last := least(v_first | 16383, p_last - 1) + 1;
        EXECUTE v_truth INTO v_step USING p_users, v_first, v_last, p_shift, p_seed, false;
        members := coalesce(members, 0) + coalesce(v_step.members, 0);
        former := coalesce(former, 0) + coalesce(v_step.former, 0);
        digests := coalesce(digests || v_step.digests, digests, v_step.digests);
        v_first := v_last;
    END LOOP;
    RAISE SQLSTATE 'PR009';  -- taken back, see refuse_tables
EXCEPTION WHEN SQLSTATE 'PR009' THEN NULL;
END
$digest_here$;

COMMENT ON FUNCTION pyrepl.digest_here(
    integer, bigint[], bigint, bigint, integer, bigint, boolean) IS
    'digests of what a course database should hold';
REVOKE ALL ON FUNCTION pyrepl.digest_here(
    integer, bigint[], bigint, bigint, integer, bigint, boolean) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION pyrepl.digest_here(
    integer, bigint[], bigint, bigint, integer, bigint, boolean)
    TO pyrepl_owner, pyrepl_monitor;
