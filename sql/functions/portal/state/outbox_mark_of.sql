-- The mark of a database and priority: no outbox row up to it waits.
-- One that is missing, foreign or in the future counts as none (0).
CREATE OR REPLACE FUNCTION pyrepl.outbox_mark_of(p_database integer, p_priority integer)
RETURNS bigint
LANGUAGE plpgsql
STABLE
SET search_path = pg_catalog, pg_temp
AS $outbox_mark_of$
BEGIN
    RETURN (
        SELECT coalesce(max(m.id), 0)
        FROM pyrepl.outbox_mark m
        WHERE m.database_id = p_database AND m.priority = p_priority
            AND m.identity = pyrepl.identity()
            AND m.id <= (SELECT s.last_value FROM pyrepl.outbox_id_seq s));
END
$outbox_mark_of$;

COMMENT ON FUNCTION pyrepl.outbox_mark_of(integer, integer) IS
    'id up to which no outbox row of the database and priority waits';
REVOKE ALL ON FUNCTION pyrepl.outbox_mark_of(integer, integer) FROM PUBLIC;
