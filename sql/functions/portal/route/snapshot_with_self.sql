-- A snapshot, with this transaction named as in progress. A transaction that has written
-- before is in no snapshot of its own, as if it had ended; but it may yet write more.
CREATE OR REPLACE FUNCTION pyrepl.snapshot_with_self(p_snapshot pg_snapshot)
RETURNS pg_snapshot
LANGUAGE sql
SET search_path = pg_catalog, pg_temp
AS $snapshot_with_self$
    SELECT CASE WHEN pg_visible_in_snapshot(pg_current_xact_id(), p_snapshot)
        THEN format('%s:%s:%s',
            least(pg_snapshot_xmin(p_snapshot), pg_current_xact_id()),
            pg_snapshot_xmax(p_snapshot),
            (SELECT string_agg(x.xid::text, ',' ORDER BY x.xid)
            FROM (SELECT pg_snapshot_xip(p_snapshot)
                UNION SELECT pg_current_xact_id()) x(xid)))::pg_snapshot
        ELSE p_snapshot END;
$snapshot_with_self$;

COMMENT ON FUNCTION pyrepl.snapshot_with_self(pg_snapshot) IS
    'a snapshot in which this transaction has not ended; part of route';
REVOKE ALL ON FUNCTION pyrepl.snapshot_with_self(pg_snapshot) FROM PUBLIC;
