-- Put a generated password into a user mapping. A function, because a parameter is not
-- written to the server's log as the text of a statement is.
CREATE OR REPLACE FUNCTION pyrepl.set_link_password(p_server name, p_password text)
RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $set_link_password$
DECLARE
    v_action text := CASE WHEN EXISTS (
        SELECT FROM pg_user_mappings m
        WHERE m.srvname = p_server AND m.usename = 'pyrepl_owner'
            AND m.umoptions::text LIKE '%password=%') THEN 'SET' ELSE 'ADD' END;
BEGIN
    EXECUTE format('ALTER USER MAPPING FOR pyrepl_owner SERVER %I OPTIONS (%s password %L)',
        p_server, v_action, p_password);
END
$set_link_password$;

COMMENT ON FUNCTION pyrepl.set_link_password(name, text) IS
    'sets the password with which the portal logs in at a course database';
REVOKE ALL ON FUNCTION pyrepl.set_link_password(name, text) FROM PUBLIC;
