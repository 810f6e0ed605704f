-- What may stand in a column for a while, or for nobody, as expressions of the row's key k
-- and the value v that it has, to be tried in this order: NULL where it may be, then by
-- type, then random values of the same shape. p_nobody: for good, so that it says nothing
-- of whom the row was.
CREATE OR REPLACE FUNCTION pyrepl.placeholders(
    p_table regclass, p_column name, p_nobody boolean, p_unique boolean)
RETURNS text[]
LANGUAGE plpgsql
STABLE
SET search_path = pg_catalog, pg_temp
AS $placeholders$
DECLARE
    v_found record;
    v_values text[];
    v_shapes text[] := array_fill('(.*)'::text, ARRAY[8])
        || ARRAY['^(.*)@', '^\w*\W+(.*)$', '^.?(.*)$'];
    v_days text[] := CASE WHEN p_nobody THEN '{30000,9000}' ELSE '{30,1000,30000}' END;
BEGIN
    SELECT t.typcategory AS category, a.attnotnull AS not_null,
        format_type(a.atttypid, a.atttypmod) AS cast,
        coalesce(nullif(t.typbasetype, 0), t.oid)::regtype::text AS base,
        (SELECT r.rngsubtype::regtype::text FROM pg_range r WHERE r.rngtypid = t.oid)
            AS subtype
    INTO v_found
    FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid
    WHERE a.attrelid = p_table AND a.attname = p_column;

    v_values := CASE
        WHEN v_found.category = 'S' AND NOT p_nobody THEN ARRAY['''~'' || k', 'k::text',
            'k || ''@~''', 'left(md5(random()::text), 2)']
        WHEN v_found.category = 'S' THEN ARRAY['''~erased~'' || k', '''erased'' || k',
            'k::text', '''erased'' || k || ''@erased.invalid''',
            '''!'' || repeat(''~erased~'', 15)', 'repeat(''~erased~'', 4)']
        WHEN v_found.category = 'N' AND p_nobody THEN ARRAY['0', '1', '-1', '100']
        WHEN v_found.category = 'N' THEN ARRAY['- k', 'k'] || array_fill(format(
            '(SELECT min(m.%1$I) + floor(random() * (max(m.%1$I) - min(m.%1$I) + 20))'
            ' FROM ONLY %2$s m)', p_column, p_table), ARRAY[12])
        WHEN v_found.category = 'D' AND v_found.base LIKE 'time %' THEN
            ARRAY['''00:00''', 'v + random() * ''1 day''::interval']
        WHEN v_found.category = 'D' THEN CASE WHEN p_nobody THEN
                ARRAY['''epoch''', '''2000-01-01''', 'now()'] ELSE '{}' END
            || ARRAY(SELECT format('v %s random() * ''%s days''::interval', s.s, d.d)
                FROM unnest('{-,+}'::text[]) s(s), unnest(v_days) d(d))
        WHEN v_found.category = 'T' THEN
            ARRAY['''0''', 'v + random() * ''1000 days''::interval']
        WHEN v_found.category = 'B' THEN ARRAY['false', 'true']
        WHEN v_found.category = 'E' THEN array_fill(format('(enum_range(NULL::%1$s))'
            '[1 + floor(random() * cardinality(enum_range(NULL::%1$s)))::integer]',
            v_found.base), ARRAY[12])
        WHEN v_found.category = 'A' THEN ARRAY['''{}''']
        WHEN v_found.category = 'R' THEN ARRAY['''empty'''] || ARRAY(
            SELECT format('%1$s(lower(v) %2$s %3$s, upper(v) %2$s %3$s)', v_found.cast,
                s.s, CASE WHEN v_found.subtype LIKE 'timestamp%'
                    THEN d.d || ' * ''100 days''::interval' ELSE d.d || '000' END)
            FROM unnest('{-,+}'::text[]) s(s), unnest(v_days) d(d))
        WHEN v_found.base = 'uuid' THEN ARRAY['gen_random_uuid()']
        WHEN v_found.base = 'bytea' THEN ARRAY['decode(md5(random()::text), ''hex'')']
        WHEN v_found.base LIKE 'json%' THEN ARRAY['''{}''']
        ELSE '{}' END;
    IF p_nobody AND v_found.category = 'S' AND NOT p_unique THEN
        v_values := ARRAY[''''''] || v_values;
    ELSIF p_nobody AND v_found.base = 'uuid' AND v_found.not_null AND NOT p_unique THEN
        v_values := ARRAY['''00000000-0000-0000-0000-000000000000'''] || v_values;
    ELSIF NOT v_found.not_null AND NOT (p_nobody AND v_found.category = 'S') THEN
        v_values := ARRAY['NULL'] || v_values;
    END IF;
    v_values := v_values || ARRAY(
        SELECT format('pyrepl.scrambled(v::text, %L)', s.s) FROM unnest(v_shapes) s(s));
    RETURN ARRAY(
        SELECT format('(%s)::%s', w.v, v_found.cast)
        FROM unnest(v_values) WITH ORDINALITY w(v, n) ORDER BY w.n);
END
$placeholders$;

COMMENT ON FUNCTION pyrepl.placeholders(regclass, name, boolean, boolean) IS
    'what may stand in a column for a while or for nobody; part of park and blank';
REVOKE ALL ON FUNCTION pyrepl.placeholders(regclass, name, boolean, boolean)
    FROM PUBLIC;
