-- Refuse (PR022) that a trigger or rule of the course swallows what apply writes, or makes
-- something else of it: fewer rows were written than there are in p_rows, or they hold
-- other values now, exempt columns aside. Names what the course has for this event.
-- p_rows: rows as they were sent; of a DELETE the keys. Values are compared only where the
-- course has code of its own on the table. Part of apply.
-- Slots: exempt
CREATE OR REPLACE FUNCTION pyrepl.require_written(
    p_part text, p_table regclass, p_key name, p_event text, p_written bigint,
    p_rows anyarray)
RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $require_written$
DECLARE
    v_culprits text;
    v_here text;
    v_sent text;
    v_differ boolean := false;
BEGIN
    SELECT string_agg(c.what || ' ' || quote_ident(c.name), ', ' ORDER BY c.rank, c.name)
    INTO v_culprits
    FROM (
        SELECT 'trigger' AS what, t.tgname AS name, CASE WHEN t.tgtype & 2 <> 0 THEN 1
            ELSE 2 END AS rank
        FROM pg_trigger t
        WHERE t.tgrelid = p_table AND NOT t.tgisinternal AND t.tgenabled IN ('O', 'A')
            AND t.tgname NOT LIKE 'pyrepl\_%'
            AND t.tgtype & CASE p_event WHEN 'INSERT' THEN 4 WHEN 'DELETE' THEN 8
                ELSE 16 END <> 0
        UNION ALL
        SELECT 'rule', r.rulename, 0
        FROM pg_rewrite r
        WHERE r.ev_class = p_table AND r.ev_enabled IN ('O', 'A')
            AND r.ev_type = CASE p_event WHEN 'UPDATE' THEN '2' WHEN 'INSERT' THEN '3'
                ELSE '4' END) c;

    IF p_written >= cardinality(p_rows) THEN
        IF v_culprits IS NULL OR p_event = 'DELETE' THEN
            RETURN;
        END IF;
        SELECT string_agg(format('t.%I::%s', a.attname, format_type(a.atttypid, -1)), ', '),
            string_agg(format('n.%I', a.attname), ', ')
        INTO v_here, v_sent
        FROM pg_attribute a
        WHERE a.attrelid = format('pyrepl.%I', p_part || '_row')::regclass
            AND a.attnum > 0 AND a.attname <> ALL ({exempt});
        EXECUTE format('SELECT EXISTS (SELECT FROM unnest($1) n LEFT JOIN LATERAL ('
            'SELECT * FROM ONLY %1$s o WHERE o.%2$I = n.%2$I OFFSET 0) t ON true '
            'WHERE t.%2$I IS NULL OR ROW(%3$s)::record *<> ROW(%4$s)::record)',
            p_table, p_key, v_here, v_sent) INTO v_differ USING p_rows;
        IF NOT v_differ THEN
            RETURN;
        END IF;
    END IF;
    RAISE '% of % %', coalesce(left(v_culprits, 120), 'something'), p_table,
        CASE WHEN v_differ THEN 'makes other rows of those that are written'
            ELSE 'keeps rows from being written' END
        USING ERRCODE = 'PR022', HINT = 'At the course, let it leave rows of copies as '
            'they come, or disable it; then "pyreplctl dead retry".';
END
$require_written$;

COMMENT ON FUNCTION pyrepl.require_written(text, regclass, name, text, bigint, anyarray) IS
    'raises PR022 where the course has not kept what was written; part of apply';
REVOKE ALL ON FUNCTION pyrepl.require_written(text, regclass, name, text, bigint, anyarray)
    FROM PUBLIC;
