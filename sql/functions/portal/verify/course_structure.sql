-- What a course database tells of its own structure, over its link: which is tried by that.
-- Bounded: the course can tell what it likes.
CREATE OR REPLACE FUNCTION pyrepl.course_structure(p_database integer)
RETURNS TABLE (kind text, name text, state text, source text, held text, problem text)
LANGUAGE plpgsql
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $course_structure$
BEGIN
    RETURN QUERY EXECUTE format(
        'SELECT left(s.kind, 200), left(s.name, 200), left(s.state, 200), '
        'left(s.source, 200), left(s.held, 100001), pyrepl.clean_text(s.problem, 500) '
        'FROM pyrepl.structure_%s s LIMIT 10000', p_database);
END
$course_structure$;

COMMENT ON FUNCTION pyrepl.course_structure(integer) IS
    'what a course database tells of its own structure';
REVOKE ALL ON FUNCTION pyrepl.course_structure(integer) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION pyrepl.course_structure(integer) TO pyrepl_monitor;
