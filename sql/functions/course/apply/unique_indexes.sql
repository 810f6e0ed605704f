-- The unique indexes and exclusion constraints of a table that an agreed column matters to,
-- for collisions: whether it is checked row by row (not, where it is deferrable); the keys
-- and the predicate, as the course has them; the condition under which a row of the table
-- collides with the keys k1, k2, ... of n; the columns it depends on, through generated
-- ones too, and which of them are agreed and may be given another value.
CREATE OR REPLACE FUNCTION pyrepl.unique_indexes(
    p_table regclass, p_part text, p_key name, p_user name)
RETURNS TABLE (index_name name, immediate boolean, keys text, predicate text,
    collide text, needed smallint[], columns name[])
LANGUAGE sql
STABLE
SET search_path = pg_catalog, pg_temp
AS $unique_indexes$
    SELECT x.relname, i.indimmediate, k.keys,
        coalesce(pg_get_expr(i.indpred, i.indrelid), 'true'), k.collide, d.needed, g.columns
    FROM pg_index i
    JOIN pg_class x ON x.oid = i.indexrelid
    LEFT JOIN pg_constraint c ON c.conindid = i.indexrelid AND c.contype IN ('p', 'u', 'x')
    CROSS JOIN LATERAL (
        SELECT string_agg(format('(%s) AS k%s', e.expression, e.n), ', ' ORDER BY e.n),
            string_agg(CASE
                WHEN (to_jsonb(i) ->> 'indnullsnotdistinct')::boolean
                THEN format('(%1$s OR (%2$s) IS NULL AND n.k%3$s IS NULL)',
                    e.condition, e.expression, e.n)
                ELSE e.condition END, ' AND ' ORDER BY e.n)
        FROM (
            SELECT a.n, a.expression, format('(%s)%s OPERATOR(%s.%s) n.k%s', a.expression,
                (SELECT format(' COLLATE %I.%I', s.nspname, l.collname)
                    FROM pg_collation l JOIN pg_namespace s ON s.oid = l.collnamespace
                    WHERE l.oid = i.indcollation[a.n - 1]),
                o.oprnamespace::regnamespace::text, o.oprname, a.n) AS condition
            FROM (
                SELECT n, pg_get_indexdef(i.indexrelid, n, false) AS expression
                FROM generate_series(1, i.indnkeyatts) n) a
            JOIN pg_opclass p ON p.oid = i.indclass[a.n - 1]
            LEFT JOIN pg_amop q ON q.amopfamily = p.opcfamily AND q.amopstrategy = 3
                AND q.amoplefttype = p.opcintype AND q.amoprighttype = p.opcintype
            JOIN pg_operator o ON o.oid = coalesce(c.conexclop[a.n], q.amopopr)) e
        ) k(keys, collide)
    CROSS JOIN LATERAL (
        SELECT array_agg(DISTINCT b.attnum) FROM (
            SELECT unnest(i.indkey::smallint[]) UNION
            SELECT r.refobjsubid FROM pg_depend r
            WHERE r.refclassid = 'pg_class'::regclass AND r.refobjid = i.indrelid
                AND (r.classid = 'pg_class'::regclass AND r.objid = i.indexrelid
                    OR r.classid = 'pg_constraint'::regclass AND r.objid = c.oid)
            ) w(attnum)
        CROSS JOIN LATERAL (
            SELECT w.attnum UNION
            SELECT r.refobjsubid FROM pg_attrdef f
            JOIN pg_depend r ON r.classid = 'pg_attrdef'::regclass AND r.objid = f.oid
                AND r.refclassid = 'pg_class'::regclass AND r.refobjid = f.adrelid
            WHERE f.adrelid = i.indrelid AND f.adnum = w.attnum) b(attnum)
        WHERE b.attnum > 0) d(needed)
    CROSS JOIN LATERAL (
        SELECT array_agg(a.attname ORDER BY a.attnotnull, a.attnum)
                FILTER (WHERE a.attname NOT IN (p_key, p_user)),
            count(*) > 0
        FROM pg_attribute a
        JOIN pyrepl.contract_column t ON t.part = p_part AND t.column_name = a.attname
        WHERE a.attrelid = i.indrelid AND a.attnum = ANY (d.needed)) g(columns, agreed)
    WHERE i.indrelid = p_table AND (i.indisunique OR i.indisexclusion) AND i.indisready
        AND g.agreed
    ORDER BY x.relname;
$unique_indexes$;

COMMENT ON FUNCTION pyrepl.unique_indexes(regclass, text, name, name) IS
    'what must be unique in a table, as expressions; part of collisions';
REVOKE ALL ON FUNCTION pyrepl.unique_indexes(regclass, text, name, name) FROM PUBLIC;
