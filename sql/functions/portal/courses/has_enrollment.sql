-- Whether anybody is enrolled in a course: a key without is new, or mistyped.
-- Slots: enrollment_course, enrollment_table
CREATE OR REPLACE FUNCTION pyrepl.has_enrollment(p_course text)
RETURNS boolean
LANGUAGE sql
STABLE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET row_security = off
AS $has_enrollment$
    SELECT EXISTS (
        SELECT FROM {enrollment_table} e WHERE e.{enrollment_course} = p_course);
$has_enrollment$;

COMMENT ON FUNCTION pyrepl.has_enrollment(text) IS
    'whether the enrollment table has a row of this course';
REVOKE ALL ON FUNCTION pyrepl.has_enrollment(text) FROM PUBLIC;
