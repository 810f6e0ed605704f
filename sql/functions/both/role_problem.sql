-- What a role of ours may that it should not, in words; NULL where all is well.
CREATE OR REPLACE FUNCTION pyrepl.role_problem(p_role name, p_logs_in boolean)
RETURNS text
LANGUAGE sql
STABLE
SET search_path = pg_catalog, pg_temp
AS $role_problem$
    SELECT nullif(concat_ws(', ',
        CASE WHEN r.rolsuper THEN 'SUPERUSER' END,
        CASE WHEN r.rolcreaterole THEN 'CREATEROLE' END,
        CASE WHEN r.rolcreatedb THEN 'CREATEDB' END,
        CASE WHEN r.rolreplication THEN 'REPLICATION' END,
        CASE WHEN r.rolbypassrls THEN 'BYPASSRLS' END,
        CASE WHEN r.rolcanlogin <> p_logs_in THEN
            CASE WHEN p_logs_in THEN 'NOLOGIN' ELSE 'LOGIN' END END,
        CASE WHEN p_logs_in AND r.rolconnlimit = -1 THEN 'CONNECTION LIMIT -1' END,
        (
            SELECT string_agg(format('member of %I', m.rolname), ', ' ORDER BY m.rolname)
            FROM pg_auth_members a JOIN pg_roles m ON m.oid = a.roleid
            WHERE a.member = r.oid AND (m.rolname ~ '^pyrepl_(.*_)?owner$'
                OR m.rolname IN ('pyrepl_reader', 'pyrepl_capture')
                OR p_logs_in AND m.rolname NOT LIKE 'pyrepl\_%'))), '')
    FROM pg_roles r WHERE r.rolname = p_role;
$role_problem$;

COMMENT ON FUNCTION pyrepl.role_problem(name, boolean) IS
    'attributes and memberships that a role of ours should not have';
REVOKE ALL ON FUNCTION pyrepl.role_problem(name, boolean) FROM PUBLIC;
