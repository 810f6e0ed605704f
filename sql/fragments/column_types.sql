-- What the columns of tables hold: a line of JSON for each column, and one for each type
-- that they are made of, down to those of PostgreSQL. By it two databases compare what a
-- type means, whatever its name and schema. Depends on search_path.
-- Slots: tables
WITH RECURSIVE used AS (
    SELECT w.name AS table_name, a.*
    FROM unnest({tables}::text[]) w(name)
    JOIN (
        SELECT c.oid, n.nspname || '.' || c.relname AS name
        FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
        WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f')) c ON c.name = w.name
    JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
), reached(oid) AS (
    SELECT u.atttypid FROM used u
    UNION
    SELECT n.oid
    FROM reached r
    JOIN pg_type t ON t.oid = r.oid
    CROSS JOIN LATERAL (
        SELECT t.typelem WHERE t.typelem <> 0
            AND t.typsubscript = 'array_subscript_handler'::regproc
        UNION ALL
        SELECT t.typbasetype WHERE t.typtype = 'd'
        UNION ALL
        SELECT a.atttypid FROM pg_attribute a
        WHERE t.typtype = 'c' AND a.attrelid = t.typrelid AND a.attnum > 0
            AND NOT a.attisdropped
        UNION ALL
        SELECT g.rngsubtype FROM pg_range g WHERE g.rngtypid = t.oid
        UNION ALL
        SELECT g.rngtypid FROM pg_range g WHERE g.rngmultitypid = t.oid) n(oid)
), equality AS (  -- '': by the image
    SELECT l.oid, CASE WHEN l.collisdeterministic THEN '' ELSE concat_ws(' ',
        coalesce(l.j ->> 'colllocale', l.j ->> 'colliculocale', l.collname),
        l.j ->> 'collicurules') END AS name
    FROM (SELECT o.*, to_jsonb(o) AS j FROM pg_collation o) l
)
SELECT json_build_object('table', u.table_name, 'column', u.attname,
    'type', u.atttypid::bigint, 'modifier', u.atttypmod,
    'full_type', format_type(u.atttypid, u.atttypmod), 'equality', coalesce(e.name, ''),
    'not_null', u.attnotnull,
    'identity', u.attidentity, 'generated', u.attgenerated)::text AS line
FROM used u LEFT JOIN equality e ON e.oid = u.attcollation
UNION ALL
SELECT json_build_object('oid', t.oid::bigint, 'name', format_type(t.oid, -1),
    'plain', t.typname, 'own', n.nspname <> 'pg_catalog', 'extension', (
        SELECT x.extname FROM pg_depend d JOIN pg_extension x ON x.oid = d.refobjid
        WHERE d.classid = 'pg_type'::regclass AND d.objid = t.oid
            AND d.refclassid = 'pg_extension'::regclass AND d.deptype = 'e'),
    'kind', CASE WHEN t.typelem <> 0 AND t.typsubscript = 'array_subscript_handler'::regproc
        THEN 'a' ELSE t.typtype::text END,
    'element', coalesce(nullif(t.typelem, 0), nullif(t.typbasetype, 0), (
        SELECT CASE g.rngtypid WHEN t.oid THEN g.rngsubtype ELSE g.rngtypid END
        FROM pg_range g WHERE t.oid IN (g.rngtypid, g.rngmultitypid)))::bigint,
    'modifier', t.typtypmod, 'not_null', t.typnotnull, 'canonical', (
        SELECT nullif(g.rngcanonical::oid, 0)::regproc::text FROM pg_range g
        WHERE g.rngtypid = t.oid),
    'labels', (
        SELECT json_agg(e.enumlabel ORDER BY e.enumsortorder) FROM pg_enum e
        WHERE e.enumtypid = t.oid),
    'attributes', (
        SELECT json_agg(json_build_object('name', a.attname,
                'type', a.atttypid::bigint, 'modifier', a.atttypmod,
                'full_type', format_type(a.atttypid, a.atttypmod),
                'equality', coalesce(e.name, '')) ORDER BY a.attnum)
        FROM pg_attribute a LEFT JOIN equality e ON e.oid = a.attcollation
        WHERE t.typtype = 'c' AND a.attrelid = t.typrelid AND a.attnum > 0
            AND NOT a.attisdropped),
    'checks', (
        SELECT json_object_agg(k.conname, pg_get_constraintdef(k.oid)) FROM pg_constraint k
        WHERE k.contypid = t.oid AND k.contype = 'c'))::text
FROM reached r
JOIN pg_type t ON t.oid = r.oid
JOIN pg_namespace n ON n.oid = t.typnamespace
