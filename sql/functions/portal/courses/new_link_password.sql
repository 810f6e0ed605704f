-- Generate the password of a link and put it into its user mapping. Made here, because a
-- server that logs statements logs parameters, too; what a query returns is never logged.
-- Returns the password, of 244 random bits, for the course to get its verifier.
CREATE OR REPLACE FUNCTION pyrepl.new_link_password(p_server name)
RETURNS text
LANGUAGE plpgsql
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $new_link_password$
DECLARE
    v_password text := replace(concat(gen_random_uuid(), gen_random_uuid()), '-', '');
    v_action text := CASE WHEN EXISTS (
        SELECT FROM pg_user_mappings m
        WHERE m.srvname = p_server AND m.usename = 'pyrepl_owner'
            AND m.umoptions::text LIKE '%password=%') THEN 'SET' ELSE 'ADD' END;
BEGIN
    EXECUTE format('ALTER USER MAPPING FOR pyrepl_owner SERVER %I OPTIONS (%s password %L)',
        p_server, v_action, v_password);
    RETURN v_password;
END
$new_link_password$;

COMMENT ON FUNCTION pyrepl.new_link_password(name) IS
    'gives the portal a new password with which it logs in at a course database';
REVOKE ALL ON FUNCTION pyrepl.new_link_password(name) FROM PUBLIC;
