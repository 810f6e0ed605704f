-- The exact second look at suspects: under the database's delivery lock, so that nothing
-- arrives meanwhile, one statement reads the portal's rows together with what waits, the
-- next the course's, both as a hash a column. Returns what differs: the user, the kind,
-- which part, which columns, and whether a dossier waits (pending, not drift).
-- Locks: the database's advisory lock (shared if it is queued), until it has looked; who
-- only looks must not keep deliveries waiting by leaving a transaction open.
CREATE OR REPLACE FUNCTION pyrepl.recheck_users(
    p_database integer, p_users bigint[], p_seed bigint)
RETURNS TABLE (user_id bigint, kind text, part text, columns text[], pending boolean)
LANGUAGE plpgsql
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET row_security = off
SET lock_timeout = '30s'
AS $recheck_users$
DECLARE
    v_here json;
    v_there json;
    v_pending bigint[];
BEGIN
    BEGIN
        PERFORM pyrepl.lock_look(p_database);
        EXECUTE format($here$
            SELECT (SELECT json_agg(t) FROM pyrepl.truth_rows_%1$s($1, $2) t),
                ARRAY(SELECT p.user_id FROM pyrepl.pending_users(%1$s, $1) p)
            $here$, p_database) INTO v_here, v_pending USING p_users, p_seed;
        v_pending := v_pending || pyrepl.phantoms(p_database);
        EXECUTE format(
            'UPDATE pyrepl.digest_%s d SET users = $1, seed = $2 '
            'RETURNING left(d.rows, 100000000)::json',
            p_database) INTO v_there USING p_users, p_seed;
        RAISE 'seen' USING ERRCODE = 'PR009';
    EXCEPTION WHEN SQLSTATE 'PR009' THEN
        NULL;  -- The lock goes with the block: not with the caller's transaction.
    END;

    RETURN QUERY
    WITH here AS MATERIALIZED (
        SELECT * FROM json_to_recordset(coalesce(v_here, '[]'))
            r(user_id bigint, part text, key bigint, columns text)
    ), there AS MATERIALIZED (
        SELECT * FROM json_to_recordset(coalesce(v_there, '[]'))
            r(user_id bigint, part text, key bigint, columns text)
    ), person AS MATERIALIZED (
        SELECT s.id, h.part AS expected, t.part IS NOT NULL AS copied,
            s.id = ANY (v_pending) AS pending
        FROM unnest(p_users) s(id)
        LEFT JOIN here h ON h.user_id = s.id AND h.part IN ('member', 'former')
        LEFT JOIN there t ON t.user_id = s.id AND t.part = 'copy'
    ), differing AS (
        SELECT coalesce(h.user_id, t.user_id) AS user_id,
            CASE WHEN t.user_id IS NULL THEN 'missing' WHEN h.user_id IS NULL THEN 'extra'
                ELSE 'stale' END AS kind,
            coalesce(h.part, t.part) AS part, h.columns::bigint[] AS here,
            t.columns::bigint[] AS there
        FROM (SELECT * FROM here WHERE here.columns IS NOT NULL) h
        FULL JOIN (SELECT * FROM there WHERE there.columns IS NOT NULL) t
            ON t.user_id = h.user_id AND t.part = h.part AND t.key = h.key
        WHERE h.columns IS DISTINCT FROM t.columns
    )
    SELECT p.id, d.kind, d.part,
        CASE WHEN d.kind = 'stale' THEN ARRAY(
            SELECT c.column_name FROM pyrepl.contract_column c
            JOIN pyrepl.database b ON b.contract_id = c.contract_id
            WHERE b.id = p_database AND c.part = d.part
                AND d.here[c.position] IS DISTINCT FROM d.there[c.position]
            ORDER BY c.position) END,
        p.pending
    FROM person p
    JOIN differing d ON d.user_id = p.id
    -- Of copies whose user has left only the enrollments are the portal's to tell.
    WHERE p.expected IS DISTINCT FROM 'former' OR p.copied AND d.part = 'enrollment'
    UNION ALL
    SELECT p.id, 'extra', 'user', NULL, p.pending
    FROM person p
    WHERE p.copied AND p.expected IS NULL
        AND NOT EXISTS (SELECT FROM differing d WHERE d.user_id = p.id AND d.part = 'user')
    ORDER BY 1, 3, 2;
END
$recheck_users$;

COMMENT ON FUNCTION pyrepl.recheck_users(integer, bigint[], bigint) IS
    'what differs for some users while nobody delivers, and whether it is on its way';
REVOKE ALL ON FUNCTION pyrepl.recheck_users(integer, bigint[], bigint) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION pyrepl.recheck_users(integer, bigint[], bigint) TO pyrepl_monitor;
