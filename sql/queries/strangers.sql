-- What stands under our names and belongs neither to our owner here nor to a superuser (a
-- function may belong to the role that it runs as): the schema, what is in it, triggers of
-- others on it, servers; whose it is, and the statement that ends it. Asks the catalog
-- only: nothing of theirs is run by looking.
-- Slots: owners
WITH owner AS (
    SELECT r.oid FROM pg_roles r WHERE r.rolname = ANY (ARRAY[{owners}]) OR r.rolsuper
), mine AS (
    SELECT n.oid, n.nspowner FROM pg_namespace n WHERE n.nspname = 'pyrepl'
), found AS (
    SELECT 1 AS place, 'schema' AS kind, 'pyrepl' AS name, m.nspowner AS owner,
        'ALTER SCHEMA pyrepl RENAME TO another_name' AS remedy
    FROM mine m
    UNION ALL
    SELECT 2, k.kind, c.relname, c.relowner,
        format('DROP %s pyrepl.%I CASCADE', upper(k.kind), c.relname)
    FROM mine m
    JOIN pg_class c ON c.relnamespace = m.oid AND c.relkind IN ('r','p','v','m','f','S','c')
    CROSS JOIN LATERAL (SELECT CASE c.relkind WHEN 'v' THEN 'view'
        WHEN 'm' THEN 'materialized view' WHEN 'f' THEN 'foreign table'
        WHEN 'S' THEN 'sequence' WHEN 'c' THEN 'type' ELSE 'table' END AS kind) k
    UNION ALL
    SELECT 3, 'function', p.proname, p.proowner,
        format('DROP ROUTINE %s CASCADE', p.oid::regprocedure)
    FROM mine m JOIN pg_proc p ON p.pronamespace = m.oid
    WHERE pg_get_userbyid(p.proowner) NOT IN ('pyrepl_reader', 'pyrepl_capture')
        AND NOT EXISTS (SELECT FROM pg_depend d  -- of postgres_fdw
        WHERE d.classid = 'pg_proc'::regclass AND d.objid = p.oid AND d.deptype = 'e')
    UNION ALL
    SELECT 4, 'type', t.typname, t.typowner,
        format('DROP %s pyrepl.%I CASCADE', CASE t.typtype WHEN 'd' THEN 'DOMAIN'
            ELSE 'TYPE' END, t.typname)
    FROM mine m JOIN pg_type t ON t.typnamespace = m.oid AND t.typelem = 0
        AND t.typtype IN ('d', 'e', 'r', 'b')
    UNION ALL
    SELECT 5, 'operator', o.oprname, o.oprowner,
        format('DROP OPERATOR %s', o.oid::regoperator)
    FROM mine m JOIN pg_operator o ON o.oprnamespace = m.oid
    UNION ALL
    SELECT 6, 'trigger', t.tgname || ' on ' || c.relname, p.proowner,
        format('DROP TRIGGER %I ON pyrepl.%I', t.tgname, c.relname)
    FROM mine m
    JOIN pg_class c ON c.relnamespace = m.oid
    JOIN pg_trigger t ON t.tgrelid = c.oid AND NOT t.tgisinternal
    JOIN pg_proc p ON p.oid = t.tgfoid
    UNION ALL
    SELECT 7, 'server', s.srvname, s.srvowner, format('DROP SERVER %I CASCADE', s.srvname)
    FROM pg_foreign_server s WHERE s.srvname ~ '^pyrepl_[0-9]+(_immediate)?$'
)
SELECT f.kind, f.name, pg_get_userbyid(f.owner)::text AS owner, f.remedy
FROM found f
WHERE f.owner NOT IN (SELECT o.oid FROM owner o)
ORDER BY f.place, f.name
