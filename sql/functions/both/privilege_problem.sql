-- What is odd about the owner of an object and about who has rights on it, in words; NULL
-- where nothing is. Roles of ours may have rights on our functions and views (what they
-- should have is in the hash of those, the owner too), and none on tables.
-- Slots: owner
CREATE OR REPLACE FUNCTION pyrepl.privilege_problem(
    p_owner oid, p_rights aclitem[], p_ours_may boolean)
RETURNS text
LANGUAGE sql
STABLE
SET search_path = pg_catalog, pg_temp
AS $privilege_problem$
    SELECT nullif(concat_ws('; ',
        CASE WHEN p_owner <> ALL (ARRAY(
                SELECT r.oid FROM pg_roles r
                WHERE r.rolname = {owner} OR p_ours_may
                    AND r.rolname IN ('pyrepl_reader', 'pyrepl_capture')))
            THEN format('belongs to %I', pg_get_userbyid(p_owner)) END,
        (
            SELECT string_agg(format('%s may %s', g.grantee, g.rights), '; '
                ORDER BY g.grantee)
            FROM (
                SELECT coalesce(r.rolname::text, 'PUBLIC') AS grantee,
                    string_agg(DISTINCT a.privilege_type, ', ') AS rights
                FROM aclexplode(p_rights) a
                LEFT JOIN pg_roles r ON r.oid = a.grantee
                WHERE a.grantee <> p_owner AND coalesce(r.rolname, '') <> {owner}
                    AND NOT (p_ours_may AND coalesce(r.rolname, '') LIKE 'pyrepl\_%')
                GROUP BY 1) g)), '');
$privilege_problem$;

COMMENT ON FUNCTION pyrepl.privilege_problem(oid, aclitem[], boolean) IS
    'an owner that is not ours, and rights of others, in words';
REVOKE ALL ON FUNCTION pyrepl.privilege_problem(oid, aclitem[], boolean) FROM PUBLIC;
