-- After an immediate delivery: the changes of this transaction leave the queue, but for
-- what was left to it. Where that fails all stay queued, and come again. Never raises.
-- Part of deliver_at_commit. Writes: change.
CREATE OR REPLACE FUNCTION pyrepl.take_delivered(p_xid xid8, p_left pyrepl.change[])
RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $take_delivered$
BEGIN
    DELETE FROM pyrepl.change c
    WHERE c.xid = p_xid AND c.users IS NOT NULL AND c.database_id IS NULL;
    IF p_left <> '{}' THEN
        INSERT INTO pyrepl.change SELECT l.* FROM unnest(p_left) l;
    END IF;
EXCEPTION WHEN OTHERS THEN
    NULL;
END
$take_delivered$;

COMMENT ON FUNCTION pyrepl.take_delivered(xid8, pyrepl.change[]) IS
    'takes delivered changes out of the queue; part of deliver_at_commit';
REVOKE ALL ON FUNCTION pyrepl.take_delivered(xid8, pyrepl.change[]) FROM PUBLIC;
