-- What a course database of an older version has given to pyrepl_owner, which one server
-- shared: the statements that give it to the owner of this database alone. First what is
-- ours, then rights on what is not: each is given to the one and taken from the other.
-- Slots: owner_name
WITH before AS (SELECT r.oid FROM pg_catalog.pg_roles r WHERE r.rolname = 'pyrepl_owner'),
    ours AS (
        SELECT n.oid FROM pg_catalog.pg_namespace n
        WHERE n.nspname = 'pyrepl' AND n.nspowner = (SELECT oid FROM before)
    ), granted AS (
        SELECT 'SCHEMA' AS kind, n.nspname::text AS name, '' AS columns, a.*
        FROM pg_catalog.pg_namespace n, pg_catalog.aclexplode(n.nspacl) a
        UNION ALL
        SELECT CASE c.relkind WHEN 'S' THEN 'SEQUENCE' ELSE 'TABLE' END,
            c.oid::pg_catalog.regclass::text, '', a.*
        FROM pg_catalog.pg_class c, pg_catalog.aclexplode(c.relacl) a
        WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f', 'S')
            AND c.relnamespace <> ALL (SELECT oid FROM ours)
        UNION ALL
        SELECT 'TABLE', c.oid::pg_catalog.regclass::text,
            pg_catalog.format(' (%I)', t.attname), a.*
        FROM pg_catalog.pg_class c
        JOIN pg_catalog.pg_attribute t ON t.attrelid = c.oid,
            pg_catalog.aclexplode(t.attacl) a
        WHERE c.relnamespace <> ALL (SELECT oid FROM ours)
        UNION ALL
        SELECT 'ROUTINE', p.oid::pg_catalog.regprocedure::text, '', a.*
        FROM pg_catalog.pg_proc p, pg_catalog.aclexplode(p.proacl) a
        WHERE p.pronamespace <> ALL (SELECT oid FROM ours)
    )
SELECT s.statement
FROM (
    SELECT 1 AS step, 'ALTER SCHEMA pyrepl OWNER TO {owner_name}' AS statement FROM ours
    UNION ALL
    SELECT 2, pg_catalog.format('ALTER %s %s OWNER TO {owner_name}',
        CASE c.relkind WHEN 'v' THEN 'VIEW' WHEN 'c' THEN 'TYPE' ELSE 'TABLE' END,
        c.oid::pg_catalog.regclass)
    FROM ours JOIN pg_catalog.pg_class c ON c.relnamespace = ours.oid
    WHERE c.relkind IN ('r', 'v', 'c') AND c.relowner = (SELECT oid FROM before)
    UNION ALL
    SELECT 2, pg_catalog.format('ALTER ROUTINE %s OWNER TO {owner_name}',
        p.oid::pg_catalog.regprocedure)
    FROM ours JOIN pg_catalog.pg_proc p ON p.pronamespace = ours.oid
    WHERE p.proowner = (SELECT oid FROM before)
    UNION ALL
    SELECT 3, pg_catalog.format(e.statement, g.privilege_type, g.columns, g.kind,
        CASE g.kind WHEN 'SCHEMA' THEN pg_catalog.quote_ident(g.name) ELSE g.name END)
    FROM granted g
    CROSS JOIN (VALUES ('GRANT %s%s ON %s %s TO {owner_name}'),
        ('REVOKE %s%s ON %s %s FROM pyrepl_owner CASCADE')) e(statement)
    WHERE g.grantee = (SELECT oid FROM before) AND EXISTS (SELECT FROM ours)) s
ORDER BY s.step
