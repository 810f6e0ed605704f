-- Refuse what is no course key (PR041): 1 to 255 characters, as the enrollment table
-- has it.
CREATE OR REPLACE FUNCTION pyrepl.require_courses(p_courses text[])
RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $require_courses$
BEGIN
    IF p_courses IS NULL OR EXISTS (
        SELECT FROM unnest(p_courses) k WHERE k IS NULL OR length(k) NOT BETWEEN 1 AND 255)
    THEN
        RAISE 'not a list of course keys' USING ERRCODE = 'PR041',
            HINT = 'A key is 1 to 255 characters, just as the enrollment table has it.';
    END IF;
END
$require_courses$;

COMMENT ON FUNCTION pyrepl.require_courses(text[]) IS
    'raises PR041 for anything but course keys';
REVOKE ALL ON FUNCTION pyrepl.require_courses(text[]) FROM PUBLIC;
