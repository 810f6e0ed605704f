-- Keep a contract: the columns that travel, in their order. One that is known stays as
-- it is. Returns its number. Writes: contract, contract_column.
CREATE OR REPLACE FUNCTION pyrepl.store_contract(
    p_fingerprint text, p_parts text[], p_tables text[], p_columns text[],
    p_types text[])
RETURNS integer
LANGUAGE plpgsql
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $store_contract$
DECLARE
    v_contract integer;
BEGIN
    PERFORM pyrepl.require_columns(
        p_fingerprint, p_parts, p_tables || p_columns || p_types);
    SELECT c.id INTO v_contract FROM pyrepl.contract c WHERE c.fingerprint = p_fingerprint;
    IF v_contract IS NOT NULL THEN
        RETURN v_contract;
    END IF;
    INSERT INTO pyrepl.contract (fingerprint) VALUES (p_fingerprint)
    RETURNING id INTO v_contract;
    INSERT INTO pyrepl.contract_column (
        contract_id, part, position, table_name, column_name, type_name)
    SELECT v_contract, r.part, row_number() OVER (PARTITION BY r.part ORDER BY r.place),
        r.table_name, r.column_name, r.type_name
    FROM unnest(p_parts, p_tables, p_columns, p_types)
        WITH ORDINALITY r(part, table_name, column_name, type_name, place);
    RETURN v_contract;
END
$store_contract$;

COMMENT ON FUNCTION pyrepl.store_contract(
    text, text[], text[], text[], text[]) IS
    'keeps the columns that travel, as one contract';
REVOKE ALL ON FUNCTION pyrepl.store_contract(
    text, text[], text[], text[], text[]) FROM PUBLIC;
