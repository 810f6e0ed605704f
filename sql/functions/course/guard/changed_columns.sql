-- A query for which of some columns differ, by image, between two rows ($1 and $2) of a
-- table; of those that the table has now. It answers with their names, or ''.
CREATE OR REPLACE FUNCTION pyrepl.changed_columns(p_table oid, p_columns text[])
RETURNS text
LANGUAGE sql
STABLE
SET search_path = pg_catalog, pg_temp
AS $changed_columns$
    SELECT format('SELECT concat_ws('', '', NULL%s)', string_agg(format(
        ', CASE WHEN ROW(($1).%1$I)::record *<> ROW(($2).%1$I)::record THEN %1$L END',
        a.attname), '' ORDER BY array_position(p_columns, a.attname::text)))
    FROM pg_attribute a
    WHERE a.attrelid = p_table AND NOT a.attisdropped AND a.attname = ANY (p_columns);
$changed_columns$;

COMMENT ON FUNCTION pyrepl.changed_columns(oid, text[]) IS
    'a query for the columns in which two rows differ; part of the guard';
REVOKE ALL ON FUNCTION pyrepl.changed_columns(oid, text[]) FROM PUBLIC;
