-- Replace the columns agreed with the portal; one that is bound follows at once.
-- Writes: contract_column, binding.
CREATE OR REPLACE FUNCTION pyrepl.set_contract(
    p_fingerprint text, p_parts text[], p_tables text[], p_columns text[],
    p_types text[], p_local_types text[])
RETURNS void
LANGUAGE plpgsql
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $set_contract$
BEGIN
    PERFORM pyrepl.require_columns(
        p_fingerprint, p_parts, p_tables || p_columns || p_types || p_local_types);
    DELETE FROM pyrepl.contract_column;
    INSERT INTO pyrepl.contract_column (
        part, position, table_name, column_name, type_name, local_type)
    SELECT r.part, row_number() OVER (PARTITION BY r.part ORDER BY r.place),
        r.table_name, r.column_name, r.type_name, r.local_type
    FROM unnest(p_parts, p_tables, p_columns, p_types, p_local_types)
        WITH ORDINALITY r(part, table_name, column_name, type_name, local_type, place);
    UPDATE pyrepl.binding b SET fingerprint = p_fingerprint;
END
$set_contract$;

COMMENT ON FUNCTION pyrepl.set_contract(
    text, text[], text[], text[], text[], text[]) IS
    'replaces the columns agreed with the portal';
REVOKE ALL ON FUNCTION pyrepl.set_contract(
    text, text[], text[], text[], text[], text[]) FROM PUBLIC;
