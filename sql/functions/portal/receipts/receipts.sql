-- The receipts that immediate pushes have left at a course database, and what became of
-- their transactions. A phantom is one that did not commit here, or of which this portal
-- cannot know: the epoch is another. Those in progress are not returned. A receipt is of a
-- few users; of one that a course has made up the first thousand are taken. The alias: see
-- from_course.
CREATE OR REPLACE FUNCTION pyrepl.receipts(p_database integer, p_writer boolean)
RETURNS TABLE (id bigint, users bigint[], phantom boolean)
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $receipts$
DECLARE
    v_epochs uuid[] := ARRAY(
        SELECT e.value FROM pyrepl.epoch e WHERE e.identity = pyrepl.server_start_id());
BEGIN
    RETURN QUERY EXECUTE format($unsettled$
        SELECT r.id, r.users[:1000], r.status IS DISTINCT FROM 'committed'
        FROM (
            SELECT u.id, u.users,
                CASE WHEN u.epoch = ANY ($1) THEN pg_xact_status(u.xid) END
            FROM (
                SELECT * FROM pyrepl.unsettled_%s%s AS told_by_course
                ORDER BY id LIMIT 1000) u
        ) r(id, users, status)
        WHERE r.status IS DISTINCT FROM 'in progress'
        $unsettled$, p_database, CASE WHEN p_writer THEN '_immediate' END)
        USING v_epochs;
END
$receipts$;

COMMENT ON FUNCTION pyrepl.receipts(integer, boolean) IS
    'receipts at a course database whose transactions have ended; part of settle';
REVOKE ALL ON FUNCTION pyrepl.receipts(integer, boolean) FROM PUBLIC;
