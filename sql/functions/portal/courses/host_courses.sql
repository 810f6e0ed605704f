-- Host courses in a course database. Returns the keys that are new there; who is
-- enrolled in them is for queue_courses, and lock_hosting ends the transaction. Writes:
-- hosting.
CREATE OR REPLACE FUNCTION pyrepl.host_courses(p_database integer, p_courses text[])
RETURNS SETOF text
LANGUAGE plpgsql
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $host_courses$
BEGIN
    PERFORM pyrepl.require_databases(ARRAY[p_database]);
    PERFORM pyrepl.require_courses(p_courses);
    RETURN QUERY
    INSERT INTO pyrepl.hosting AS h (course, database_id)
    SELECT k, p_database FROM unnest(p_courses) k
    ON CONFLICT (course, database_id) DO UPDATE SET active = true, since = now()
        WHERE NOT h.active
    RETURNING h.course;
END
$host_courses$;

COMMENT ON FUNCTION pyrepl.host_courses(integer, text[]) IS
    'makes a course database host courses';
REVOKE ALL ON FUNCTION pyrepl.host_courses(integer, text[]) FROM PUBLIC;
