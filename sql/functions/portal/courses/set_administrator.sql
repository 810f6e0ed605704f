-- Keep another way in for the administrator of a course database. Writes: database.
CREATE OR REPLACE FUNCTION pyrepl.set_administrator(
    p_database integer, p_administrator text)
RETURNS void
LANGUAGE plpgsql
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $set_administrator$
BEGIN
    PERFORM pyrepl.require_databases(ARRAY[p_database]);
    PERFORM pyrepl.require_no_password('the administrator''s way in', p_administrator);
    UPDATE pyrepl.database d SET administrator = p_administrator WHERE d.id = p_database;
END
$set_administrator$;

COMMENT ON FUNCTION pyrepl.set_administrator(integer, text) IS
    'keeps the administrator''s way into a course database';
REVOKE ALL ON FUNCTION pyrepl.set_administrator(integer, text) FROM PUBLIC;
