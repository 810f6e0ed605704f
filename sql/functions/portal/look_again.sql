-- The exact second look at suspects: under the database's delivery lock, so that nothing
-- arrives meanwhile, one statement reads the portal's digests together with what waits,
-- the next the course's. Returns for each user and part that differs how many rows there
-- are on each side, and whether a dossier of the user waits (pending, not drift).
-- Locks: the database's advisory lock, for as long as the look takes.
CREATE OR REPLACE FUNCTION pyrepl.look_again(p_database integer, p_users bigint[])
RETURNS TABLE (user_id bigint, part text, here bigint, there bigint, pending boolean)
LANGUAGE plpgsql
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET row_security = off
SET lock_timeout = '30s'
AS $look_again$
DECLARE
    v_here jsonb;
    v_there jsonb;
    v_pending bigint[];
    v_copies bigint[];
BEGIN
    PERFORM pg_advisory_xact_lock(1887007344, p_database);
    EXECUTE format($here$
        SELECT (
                SELECT jsonb_agg(d) FROM (
                    SELECT t.part, t.user_id, count(*) AS n, bit_xor(t.digest)::text AS x
                    FROM pyrepl.truth_%1$s() t WHERE t.user_id = ANY ($1)
                    GROUP BY 1, 2) d),
            ARRAY(SELECT p.user_id FROM pyrepl.pending_users(%1$s, $1) p)
        $here$, p_database) INTO v_here, v_pending USING p_users;
    v_pending := v_pending || pyrepl.phantoms(p_database);
    EXECUTE format($there$
        SELECT (
                SELECT jsonb_agg(d) FROM (
                    SELECT t.part, t.user_id, count(*) AS n, bit_xor(t.digest)::text AS x
                    FROM pyrepl.digest_%1$s t WHERE t.user_id = ANY ($1)
                    GROUP BY 1, 2) d),
            ARRAY(SELECT a.user_id FROM pyrepl.account_%1$s a
                WHERE a.is_copy AND a.user_id = ANY ($1))
        $there$, p_database) INTO v_there, v_copies USING p_users;

    RETURN QUERY
    SELECT coalesce(h.user_id, t.user_id), coalesce(h.part, t.part),
        coalesce(h.n, 0), coalesce(t.n, 0),
        coalesce(h.user_id, t.user_id) = ANY (v_pending)
    FROM jsonb_to_recordset(coalesce(v_here, '[]'))
        h(part text, user_id bigint, n bigint, x text)
    FULL JOIN jsonb_to_recordset(coalesce(v_there, '[]'))
        t(part text, user_id bigint, n bigint, x text)
        ON t.part = h.part AND t.user_id = h.user_id
    WHERE (h.n, h.x) IS DISTINCT FROM (t.n, t.x)
        -- The course digests the users enrolled there: of a copy that is not, only the
        -- enrollment is missing.
        AND NOT (t.part IS NULL AND h.part <> 'enrollment' AND h.user_id = ANY (v_copies)
            AND NOT coalesce(v_there, '[]') @> jsonb_build_array(
                jsonb_build_object('part', 'user', 'user_id', h.user_id)))
    ORDER BY 1, 2;
END
$look_again$;

COMMENT ON FUNCTION pyrepl.look_again(integer, bigint[]) IS
    'what differs for some users while nobody delivers, and whether it is on its way';
REVOKE ALL ON FUNCTION pyrepl.look_again(integer, bigint[]) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION pyrepl.look_again(integer, bigint[]) TO pyrepl_monitor;
