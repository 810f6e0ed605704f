-- The columns of all contracts, in the order in which they travel.
CREATE OR REPLACE FUNCTION pyrepl.contract_columns()
RETURNS TABLE (
    contract_id integer, part text, table_name text, column_name text, type_name text)
LANGUAGE sql
STABLE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $contract_columns$
    SELECT c.contract_id, c.part, c.table_name, c.column_name, c.type_name
    FROM pyrepl.contract_column c ORDER BY c.contract_id, c.part, c.position;
$contract_columns$;

COMMENT ON FUNCTION pyrepl.contract_columns() IS
    'the columns of all contracts, in their order';
REVOKE ALL ON FUNCTION pyrepl.contract_columns() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION pyrepl.contract_columns() TO pyrepl_monitor;
