-- The least and the greatest id of anybody who is enrolled anywhere. Part of extent.
-- Owner: pyrepl_reader
-- Slots: enrollment_table, enrollment_user, require_tables
CREATE OR REPLACE FUNCTION pyrepl.enrolled_extent()
RETURNS bigint[]
LANGUAGE plpgsql
STABLE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET row_security = off
AS $enrolled_extent$
DECLARE
    v_extent bigint[];
BEGIN
    {require_tables};
    BEGIN
        SELECT ARRAY[min(e.{enrollment_user}), max(e.{enrollment_user})] INTO v_extent
        FROM ONLY {enrollment_table} e;
        RAISE SQLSTATE 'PR009';
    EXCEPTION WHEN SQLSTATE 'PR009' THEN NULL;
    END;
    RETURN v_extent;
END
$enrolled_extent$;

COMMENT ON FUNCTION pyrepl.enrolled_extent() IS
    'the least and the greatest id of a user who is enrolled; part of extent';
REVOKE ALL ON FUNCTION pyrepl.enrolled_extent() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION pyrepl.enrolled_extent() TO pyrepl_owner;
