-- Note that a command begins to change both sides, or that it has ended: one that was
-- killed in between leaves them different, and must be run again. Writes: database.
CREATE OR REPLACE FUNCTION pyrepl.note_unfinished(
    p_database integer, p_command text, p_begins boolean)
RETURNS void
LANGUAGE plpgsql
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $note_unfinished$
BEGIN
    PERFORM pyrepl.require_databases(ARRAY[p_database]);
    UPDATE pyrepl.database d
    SET unfinished = CASE WHEN p_begins THEN d.unfinished || p_command
        ELSE array_remove(d.unfinished, p_command) END
    WHERE d.id = p_database AND p_begins IS DISTINCT FROM p_command = ANY (d.unfinished);
END
$note_unfinished$;

COMMENT ON FUNCTION pyrepl.note_unfinished(integer, text, boolean) IS
    'notes a command that has begun to change both sides, or has ended';
REVOKE ALL ON FUNCTION pyrepl.note_unfinished(integer, text, boolean) FROM PUBLIC;
