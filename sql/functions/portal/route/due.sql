-- The databases for which deliver has something to do now; among these, or all: a look at
-- one takes 3 microseconds, which for ten thousand is more than a router may take each
-- time. Reads behind the marks only.
CREATE OR REPLACE FUNCTION pyrepl.due(p_among integer[] DEFAULT NULL)
RETURNS SETOF integer
LANGUAGE plpgsql
STABLE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET enable_seqscan = off
SET enable_bitmapscan = off
SET jit = off
AS $due$
BEGIN
    RETURN QUERY
    WITH me AS MATERIALIZED (
        SELECT pyrepl.identity() AS identity, pyrepl.last_queued() AS last
    )
    SELECT d.id
    FROM me
    CROSS JOIN pyrepl.database d
    JOIN pyrepl.health h ON h.database_id = d.id
    LEFT JOIN pyrepl.outbox_mark lm ON lm.database_id = d.id AND lm.priority = 0
        AND lm.identity = me.identity AND lm.id <= me.last
    LEFT JOIN pyrepl.outbox_mark bm ON bm.database_id = d.id AND bm.priority = 1
        AND bm.identity = me.identity AND bm.id <= me.last
    WHERE d.state IN ('active', 'backfilling') AND (p_among IS NULL OR d.id = ANY (p_among))
        AND (h.retry_at IS NULL OR pyrepl.is_due(h.retry_at))
        AND (d.state = 'backfilling' OR h.phase <> 'normal' OR h.intent IS NOT NULL
            OR pyrepl.is_due(h.settle_at)
            OR EXISTS (SELECT FROM pyrepl.outbox o
                WHERE o.database_id = d.id AND o.priority = 0
                    AND o.id > 0 AND o.id > coalesce(lm.id, 0))
            OR EXISTS (SELECT FROM pyrepl.outbox o
                WHERE o.database_id = d.id AND o.priority = 1
                    AND o.id > 0 AND o.id > coalesce(bm.id, 0))
            OR EXISTS (SELECT FROM pyrepl.retry r
                WHERE r.database_id = d.id AND pyrepl.is_due(r.due_at)));
END
$due$;

COMMENT ON FUNCTION pyrepl.due(integer[]) IS
    'numbers of the databases to call deliver for';
REVOKE ALL ON FUNCTION pyrepl.due(integer[]) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION pyrepl.due(integer[]) TO pyrepl_worker;
