-- Whether anybody is enrolled in a course: a key without is new, or mistyped.
-- Owner: pyrepl_reader
-- Slots: enrollment_course, enrollment_table, require_tables
CREATE OR REPLACE FUNCTION pyrepl.has_enrollment(p_course text)
RETURNS boolean
LANGUAGE plpgsql
STABLE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET row_security = off
AS $has_enrollment$
DECLARE
    v_found boolean;
BEGIN
    {require_tables};
    BEGIN
        v_found := EXISTS (
            SELECT FROM ONLY {enrollment_table} e WHERE e.{enrollment_course} = p_course);
        RAISE SQLSTATE 'PR009';
    EXCEPTION WHEN SQLSTATE 'PR009' THEN NULL;
    END;
    RETURN v_found;
END
$has_enrollment$;

COMMENT ON FUNCTION pyrepl.has_enrollment(text) IS
    'whether the enrollment table has a row of this course';
REVOKE ALL ON FUNCTION pyrepl.has_enrollment(text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION pyrepl.has_enrollment(text) TO pyrepl_owner;
