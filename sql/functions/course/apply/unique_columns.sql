-- The agreed text columns of a table that a unique index is about: by themselves, or in
-- its expressions (a constraint's index depends on the constraint alone).
CREATE OR REPLACE FUNCTION pyrepl.unique_columns(p_table regclass, p_part text)
RETURNS SETOF name
LANGUAGE sql
STABLE
SET search_path = pg_catalog, pg_temp
AS $unique_columns$
    SELECT DISTINCT a.attname
    FROM pg_index i
    JOIN pg_attribute a ON a.attrelid = i.indrelid AND (a.attnum = ANY (i.indkey)
        OR EXISTS (SELECT FROM pg_depend d
            WHERE d.classid = 'pg_class'::regclass AND d.objid = i.indexrelid
                AND d.refclassid = 'pg_class'::regclass AND d.refobjid = i.indrelid
                AND d.refobjsubid = a.attnum))
    JOIN pg_type t ON t.oid = a.atttypid AND t.typcategory = 'S'
    JOIN pyrepl.contract_column c ON c.part = p_part AND c.column_name = a.attname
    WHERE i.indrelid = p_table AND i.indisunique;
$unique_columns$;

COMMENT ON FUNCTION pyrepl.unique_columns(regclass, text) IS
    'agreed text columns whose values must be unique';
REVOKE ALL ON FUNCTION pyrepl.unique_columns(regclass, text) FROM PUBLIC;
