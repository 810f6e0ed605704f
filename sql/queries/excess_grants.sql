-- Rights of others on our schema, tables and servers, and the statements that end them.
-- Slots: rights_of_ours
SELECT g.kind, g.name, format('REVOKE ALL %s ON %s FROM %s CASCADE', g.columns, g.target,
    CASE g.grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(r.rolname) END) AS statement
FROM (
    SELECT CASE c.relkind WHEN 'f' THEN 'foreign table' ELSE 'table' END AS kind,
        c.relname AS name, '' AS columns, 'TABLE ' || c.oid::regclass AS target,
        c.relowner AS owner, a.grantee, false AS ours
    FROM pg_class c
    CROSS JOIN unnest(c.relacl) i(item)
    CROSS JOIN aclexplode(ARRAY[i.item]) a
    WHERE c.relnamespace = 'pyrepl'::regnamespace AND c.relkind IN ('r', 'f')
        AND (c.relname, '', i.item::text) NOT IN (VALUES {rights_of_ours})
    UNION
    SELECT 'table', c.relname, '', 'SEQUENCE ' || s.oid::regclass, s.relowner,
        a.grantee, false
    FROM pg_class c
    JOIN pg_depend d ON d.refobjid = c.oid AND d.refclassid = 'pg_class'::regclass
        AND d.classid = 'pg_class'::regclass
    JOIN pg_class s ON s.oid = d.objid AND s.relkind = 'S', aclexplode(s.relacl) a
    WHERE c.relnamespace = 'pyrepl'::regnamespace
    UNION
    SELECT 'table', c.relname, format('(%I)', t.attname), 'TABLE ' || c.oid::regclass,
        c.relowner, a.grantee, false
    FROM pg_class c
    JOIN pg_attribute t ON t.attrelid = c.oid
    CROSS JOIN unnest(t.attacl) i(item)
    CROSS JOIN aclexplode(ARRAY[i.item]) a
    WHERE c.relnamespace = 'pyrepl'::regnamespace AND c.relkind IN ('r', 'f')
        AND (c.relname, t.attname, i.item::text) NOT IN (VALUES {rights_of_ours})
    UNION
    SELECT 'schema', 'pyrepl', '', 'SCHEMA pyrepl', n.nspowner, a.grantee, true
    FROM pg_namespace n, aclexplode(n.nspacl) a WHERE n.nspname = 'pyrepl'
    UNION
    SELECT 'server', s.srvname, '', format('FOREIGN SERVER %I', s.srvname), s.srvowner,
        a.grantee, false
    FROM pg_foreign_server s, aclexplode(s.srvacl) a
    WHERE s.srvname LIKE 'pyrepl\_%') g
LEFT JOIN pg_roles r ON r.oid = g.grantee
WHERE g.grantee <> g.owner
    AND NOT (g.ours AND coalesce(r.rolname, '') LIKE 'pyrepl\_%')
