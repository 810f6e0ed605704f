-- Keep how the portal's server reaches a course database. Its server is altered beside
-- this, in the same transaction. Writes: database.
CREATE OR REPLACE FUNCTION pyrepl.set_link(p_database integer, p_link text)
RETURNS void
LANGUAGE plpgsql
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $set_link$
BEGIN
    PERFORM pyrepl.require_databases(ARRAY[p_database]);
    PERFORM pyrepl.require_no_password('the link', p_link);
    UPDATE pyrepl.database d SET link = p_link WHERE d.id = p_database;
END
$set_link$;

COMMENT ON FUNCTION pyrepl.set_link(integer, text) IS
    'keeps how the portal reaches a course database';
REVOKE ALL ON FUNCTION pyrepl.set_link(integer, text) FROM PUBLIC;
