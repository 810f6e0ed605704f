-- What ends an error of apply, where the catalog tells: a statement with names of this
-- course and no value of any row. known_hint on the portal knows these forms.
-- Returns NULL where nothing is known. Part of apply.
CREATE OR REPLACE FUNCTION pyrepl.remedy(
    p_sqlstate text, p_context text, p_table text, p_column text, p_type text)
RETURNS text
LANGUAGE plpgsql
STABLE
SET search_path = pg_catalog, pg_temp
AS $remedy$
DECLARE
    v_function regprocedure := to_regprocedure((regexp_match(p_context,
        'function ((?!pyrepl\.)[^ ]+\([^)]*\))'))[1]);
    v_tables regclass[] := ARRAY(
        SELECT DISTINCT to_regclass(format('%I.%I', split_part(c.table_name, '.', 1),
            split_part(c.table_name, '.', 2))) FROM pyrepl.contract_column c);
    v_path text;
BEGIN
    IF v_function IS NOT NULL AND p_sqlstate ~ '^(42|3F)' THEN
        SELECT string_agg(s.name, ', ') INTO v_path
        FROM (SELECT p.pronamespace::regnamespace::text FROM pg_proc p
            WHERE p.oid = v_function
            UNION SELECT c.relnamespace::regnamespace::text FROM pg_class c
            WHERE c.oid = ANY (v_tables)) s(name);
        RETURN format(CASE p_sqlstate WHEN '42501' THEN
            'It runs with the rights of %I. At the course run: ALTER FUNCTION %s SECURITY '
            'DEFINER SET search_path = %s, pg_temp;' ELSE
            'It runs as %I, with no schema but pg_catalog in its path. At the course run: '
            'ALTER FUNCTION %s SET search_path = %s, pg_temp;' END,
            current_user, v_function, v_path);
    ELSIF p_sqlstate = '42501' THEN
        RETURN coalesce('Policies would hide rows of copies. At the course run: ' || (
            SELECT string_agg(format('ALTER TABLE %s DISABLE ROW LEVEL SECURITY;',
                c.oid::regclass), ' ')
            FROM pg_class c WHERE c.oid = ANY (v_tables) AND c.relrowsecurity),
            'Run "pyreplctl course refresh".');
    ELSIF p_sqlstate = '22P02' THEN
        RETURN 'Give the type at the course the labels that it has on the portal: ' || (
            SELECT string_agg(format('ALTER TYPE %s ADD VALUE', e.type), ' or ')
            FROM (SELECT DISTINCT t.oid::regtype::text AS type
                FROM pyrepl.contract_column c
                JOIN pg_attribute a ON a.attrelid = ANY (v_tables)
                    AND a.attname = c.column_name::name AND NOT a.attisdropped
                JOIN pg_type t ON a.atttypid IN (t.oid, t.typarray) AND t.typtype = 'e') e);
    ELSIF p_sqlstate = '23502' THEN
        RETURN (
            SELECT format('At the course run: ALTER TABLE %s ALTER COLUMN %I %s;',
                a.attrelid::regclass, a.attname, CASE
                WHEN a.attname IN (SELECT c.column_name FROM pyrepl.contract_column c)
                THEN 'DROP NOT NULL'
                WHEN t.typcategory = 'B' THEN 'SET DEFAULT false'
                WHEN t.typcategory = 'N' THEN 'SET DEFAULT 0'
                WHEN t.typcategory = 'D' THEN 'SET DEFAULT now()'
                ELSE 'SET DEFAULT ''''' END)
            FROM pg_attribute a
            JOIN pg_type t ON t.oid = a.atttypid
            WHERE a.attrelid = ANY (v_tables) AND a.attnum > 0 AND NOT a.attisdropped
                AND (a.attname = p_column AND p_table = (
                        SELECT c.relname FROM pg_class c WHERE c.oid = a.attrelid)
                    OR t.typname = p_type AND t.typtype = 'd' AND NOT a.atthasdef)
            ORDER BY a.attrelid, a.attnum LIMIT 1);
    END IF;
    RETURN NULL;
END
$remedy$;

COMMENT ON FUNCTION pyrepl.remedy(text, text, text, text, text) IS
    'a statement that ends an error of apply, or NULL; part of apply';
REVOKE ALL ON FUNCTION pyrepl.remedy(text, text, text, text, text) FROM PUBLIC;
