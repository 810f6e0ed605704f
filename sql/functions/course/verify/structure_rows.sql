-- What this course database can tell of its own structure: objects, tables, roles and
-- rights, what it is bound to, and the agreed columns. Read by verification at the portal,
-- which knows what should be here.
-- Slots: link_role, owner
CREATE OR REPLACE FUNCTION pyrepl.structure_rows()
RETURNS TABLE (kind text, name text, state text, source text, held text, problem text)
LANGUAGE sql
STABLE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET row_security = off
SET quote_all_identifiers = off  -- types are compared by name
AS $structure_rows$
    SELECT * FROM pyrepl.object_rows()
    UNION ALL
    SELECT * FROM pyrepl.table_rows()
    UNION ALL
    SELECT 'role', w.name, CASE WHEN p.problem IS NULL THEN 'current' ELSE 'edited' END,
        NULL, NULL, p.problem
    FROM (
        SELECT {owner} AS name, false AS logs_in
        UNION ALL
        SELECT r.rolname, true
        FROM pyrepl.binding b
        JOIN pg_roles r ON r.rolname IN (b.link_role, b.link_role || '_immediate')) w
    CROSS JOIN LATERAL (SELECT pyrepl.role_problem(w.name, w.logs_in) AS problem) p
    UNION ALL
    SELECT * FROM pyrepl.grant_rows(
        ARRAY(SELECT DISTINCT c.table_name FROM pyrepl.contract_column c),
        '{{SELECT,INSERT,UPDATE,DELETE}}', {owner})
    UNION ALL
    SELECT * FROM pyrepl.platform_rows(
        ARRAY(SELECT DISTINCT c.table_name FROM pyrepl.contract_column c))
    UNION ALL
    SELECT * FROM pyrepl.type_rows(
        ARRAY(SELECT DISTINCT c.table_name FROM pyrepl.contract_column c))
    UNION ALL
    SELECT 'binding', b.name, 'current', NULL, b.held, NULL
    FROM pyrepl.binding i
    CROSS JOIN LATERAL (VALUES
        ('portal', i.portal), ('number', i.database_id::text), ('link role', i.link_role),
        ('contract', i.fingerprint), ('guard', i.guard)) b(name, held)
    UNION ALL
    SELECT 'contract', 'agreed columns',
        CASE WHEN p.problem IS NULL THEN 'current' ELSE 'outdated' END,
        NULL, NULL, p.problem
    FROM (SELECT pyrepl.contract_problem() AS problem) p
    UNION ALL
    SELECT 'rows', m.name, 'outdated', NULL, NULL, m.problem
    FROM pyrepl.missed_rows() m
    UNION ALL
    SELECT 'identity', 'course', 'current', NULL, pyrepl.identity(), NULL
    UNION ALL
    -- digests are made in another form for another version, and are the same
    SELECT 'version', 'server', 'current', NULL, coalesce((
        SELECT o.server * 10000 FROM pyrepl.object o WHERE o.name = 'digest_rows')::text,
        current_setting('server_version_num')), NULL;
$structure_rows$;

COMMENT ON FUNCTION pyrepl.structure_rows() IS
    'what this course database can tell of its own structure';
REVOKE ALL ON FUNCTION pyrepl.structure_rows() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION pyrepl.structure_rows() TO {link_role};
