-- One row a course database: what waits, how deliveries go, what an operator must know.
CREATE OR REPLACE FUNCTION pyrepl.status()
RETURNS TABLE (
    name text, delivery text, effective_delivery text, state text, health text,
    courses bigint, members bigint, pending bigint, oldest_pending_seconds double precision,
    retrying bigint, dead bigint, pending_columns text[], last_delivered_at timestamptz,
    last_error text, unfinished text[])
LANGUAGE sql
STABLE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET row_security = off
AS $status$
    SELECT d.name, d.delivery, pyrepl.effective_delivery(d, h), d.state,
        CASE WHEN pyrepl.contract_problem(d.contract_id) IS NULL THEN h.health
            ELSE 'waiting_contract' END,
        (SELECT count(*) FROM pyrepl.hosting g WHERE g.database_id = d.id AND g.active),
        pyrepl.members(d.id),
        o.pairs, extract(epoch FROM clock_timestamp() - o.oldest)::double precision,
        (SELECT count(*) FROM pyrepl.retry r
            WHERE r.database_id = d.id AND r.due_at IS NOT NULL),
        (SELECT count(*) FROM pyrepl.retry r
            WHERE r.database_id = d.id AND r.due_at IS NULL),
        ARRAY(
            SELECT n.table_name || '.' || n.column_name
            FROM pyrepl.contract_column n
            WHERE n.contract_id = (SELECT max(c.id) FROM pyrepl.contract c)
                AND NOT EXISTS (
                    SELECT FROM pyrepl.contract_column c
                    WHERE c.contract_id = d.contract_id AND c.part = n.part
                        AND c.column_name = n.column_name AND c.type_name = n.type_name)
            ORDER BY n.part, n.position),
        h.last_delivered_at,
        coalesce(pyrepl.contract_problem(d.contract_id), h.message), d.unfinished
    FROM pyrepl.database d
    JOIN pyrepl.health h ON h.database_id = d.id
    CROSS JOIN LATERAL (
        SELECT count(*) AS pairs, min(o.at) AS oldest
        FROM pyrepl.outbox o
        WHERE o.database_id = d.id AND o.id > 0 AND (
            o.priority = 0 AND o.id > pyrepl.outbox_mark_of(d.id, 0)
            OR o.priority = 1 AND o.id > pyrepl.outbox_mark_of(d.id, 1))) o
    ORDER BY d.name;
$status$;

COMMENT ON FUNCTION pyrepl.status() IS
    'one row a course database: what pyreplctl status shows';
REVOKE ALL ON FUNCTION pyrepl.status() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION pyrepl.status() TO pyrepl_monitor;
