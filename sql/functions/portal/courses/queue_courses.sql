-- Let route queue everybody enrolled in these courses, in its own snapshot. Writes:
-- change.
CREATE OR REPLACE FUNCTION pyrepl.queue_courses(p_database integer, p_courses text[])
RETURNS void
LANGUAGE plpgsql
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $queue_courses$
BEGIN
    PERFORM pyrepl.require_databases(ARRAY[p_database]);
    PERFORM pyrepl.require_courses(p_courses);
    INSERT INTO pyrepl.change (database_id, courses, priority)
    VALUES (p_database, p_courses, 1);
END
$queue_courses$;

COMMENT ON FUNCTION pyrepl.queue_courses(integer, text[]) IS
    'queues the dossiers of all who are enrolled in courses';
REVOKE ALL ON FUNCTION pyrepl.queue_courses(integer, text[]) FROM PUBLIC;
