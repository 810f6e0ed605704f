-- What would run code of whoever owns schema pyrepl when a migration reads or writes the
-- tables there, in the session of whoever migrates: what no migration of ours has made.
-- Asks the catalog only, to be called with the tables locked. Expressions may call what is
-- built in and not volatile: some of the built-in functions run a text as a query.
-- Slots: views
WITH mine AS (SELECT oid FROM pg_namespace WHERE nspname = 'pyrepl'),
    relation AS (SELECT c.* FROM mine m JOIN pg_class c ON c.relnamespace = m.oid),
    expression AS (
        SELECT d.adrelid AS relation, 'pg_attrdef'::regclass AS class, d.oid,
            d.adbin::text AS tree FROM pg_attrdef d
        UNION ALL
        SELECT k.conrelid, 'pg_constraint'::regclass, k.oid, k.conbin::text
        FROM pg_constraint k
        UNION ALL
        SELECT i.indrelid, 'pg_class'::regclass, i.indexrelid, concat(i.indexprs, i.indpred)
        FROM pg_index i
    )
SELECT 'table' AS kind, r.relname AS name, w.why
FROM relation r
CROSS JOIN LATERAL (
    SELECT 'is no table' AS why WHERE r.relkind IN ('v', 'm', 'f', 'p')
        AND r.relname NOT IN ({views})
    UNION ALL SELECT 'has rules' WHERE r.relkind = 'r' AND r.relhasrules
    UNION ALL SELECT 'has policies' WHERE r.relrowsecurity
    UNION ALL SELECT 'is inherited, or inherits' WHERE r.relkind = 'r' AND EXISTS (
        SELECT FROM pg_inherits i WHERE r.oid IN (i.inhparent, i.inhrelid))
    UNION ALL SELECT format('has trigger %I', t.tgname) FROM pg_trigger t
    WHERE r.relkind = 'r' AND t.tgrelid = r.oid AND NOT t.tgisinternal
    UNION ALL SELECT format('has column %I of type %s', a.attname, a.atttypid::regtype)
    FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid
    WHERE r.relkind = 'r' AND a.attrelid = r.oid
        AND t.typnamespace <> 'pg_catalog'::regnamespace
    UNION ALL SELECT format('calls %s', p.oid::regprocedure)
    FROM expression e
    CROSS JOIN regexp_matches(e.tree, ':funcid (\d+)', 'g') f(id)
    JOIN pg_proc p ON p.oid = f.id[1]::oid AND p.provolatile = 'v'
    WHERE e.relation = r.oid
    UNION ALL SELECT 'uses ' || pg_describe_object(d.refclassid, d.refobjid, 0)
    FROM expression e JOIN pg_depend d ON d.classid = e.class AND d.objid = e.oid
    WHERE e.relation = r.oid AND d.refclassid IN ('pg_proc'::regclass,
        'pg_operator'::regclass, 'pg_type'::regclass, 'pg_opclass'::regclass,
        'pg_collation'::regclass)) w
UNION ALL
SELECT 'operator', o.oprname, 'is none of ours' FROM mine m
JOIN pg_operator o ON o.oprnamespace = m.oid
UNION ALL
SELECT 'function', p.proname, 'is named as one that is built in' FROM mine m
JOIN pg_proc p ON p.pronamespace = m.oid AND EXISTS (
    SELECT FROM pg_proc b WHERE b.proname = p.proname
        AND b.pronamespace = 'pg_catalog'::regnamespace)
ORDER BY 1, 2, 3
