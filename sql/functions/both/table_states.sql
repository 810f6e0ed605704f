-- What tells that rows may have changed without a trigger: of each table which one it is,
-- of each agreed column its number and labels, of each trigger of ours its state and the
-- version of its row in the catalog, which any DISABLE or ENABLE changes. image: the file
-- of a table and the version of a column's row. VACUUM FULL and CLUSTER change the first
-- alone, SET NOT NULL the second; ALTER TYPE ... USING both. Of our queues: which table it
-- is, in which schema. A look into the catalog alone, by names, so that no right on a
-- schema is needed; part of missed_rows.
-- Slots: enrollment_table_name, profile_table_name, user_table_name
CREATE OR REPLACE FUNCTION pyrepl.table_states()
RETURNS TABLE (part text, item text, held text, image text)
LANGUAGE sql
STABLE
SET search_path = pg_catalog, pg_temp
AS $table_states$
    WITH watched AS (
        SELECT w.part, c.oid, c.relfilenode
        FROM (VALUES ('user', parse_ident({user_table_name})),
            ('profile', parse_ident({profile_table_name})),
            ('enrollment', parse_ident({enrollment_table_name}))) w(part, name)
        JOIN pg_namespace n ON n.nspname = w.name[1]
        JOIN pg_class c ON c.relnamespace = n.oid AND c.relname = w.name[2]
    )
    SELECT w.part, 'table', w.oid::text, w.relfilenode::text FROM watched w
    UNION ALL
    SELECT w.part, 'column ' || a.attname, concat_ws(' ', a.attnum, (
            SELECT string_agg(e.enumlabel, ',' ORDER BY e.enumsortorder) FROM pg_enum e
            WHERE e.enumtypid = a.atttypid)), a.xmin::text
    FROM watched w
    JOIN pg_attribute a ON a.attrelid = w.oid AND a.attnum > 0 AND NOT a.attisdropped
    WHERE EXISTS (
        SELECT FROM pyrepl.contract_column c
        WHERE c.part = w.part AND c.column_name = a.attname)
    UNION ALL
    SELECT w.part, 'trigger ' || t.tgname, concat_ws(' ', t.oid, t.tgenabled, t.xmin), ''
    FROM watched w
    JOIN pg_trigger t ON t.tgrelid = w.oid AND NOT t.tgisinternal
    WHERE t.tgname LIKE 'pyrepl\_%'
    UNION ALL
    SELECT 'queue', 'table ' || c.relname, concat_ws(' ', c.oid, n.oid), ''
    FROM pg_namespace n
    JOIN pg_class c ON c.relnamespace = n.oid
        AND c.relname IN ('change', 'departure', 'uncaptured')
    WHERE n.nspname = 'pyrepl';
$table_states$;

COMMENT ON FUNCTION pyrepl.table_states() IS
    'what tells that rows may have changed unseen; part of missed_rows';
REVOKE ALL ON FUNCTION pyrepl.table_states() FROM PUBLIC;
