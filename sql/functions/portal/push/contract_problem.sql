-- The first column of a contract that the portal no longer has as agreed.
-- Returns a sentence, or NULL where the contract can be kept.
CREATE OR REPLACE FUNCTION pyrepl.contract_problem(p_contract integer)
RETURNS text
LANGUAGE plpgsql
STABLE
SET search_path = pg_catalog, pg_temp
SET quote_all_identifiers = off  -- types are compared by name
AS $contract_problem$
BEGIN
    RETURN (
        SELECT CASE
            WHEN a.attname IS NULL THEN
                format('column %I of %s is in the contract and not on the portal any more',
                    c.column_name, c.table_name)
            ELSE format('column %I of %s is %s on the portal and %s in the contract',
                c.column_name, c.table_name, format_type(a.atttypid, -1), c.type_name)
            END
        FROM pyrepl.contract_column c
        LEFT JOIN pg_attribute a ON a.attrelid = to_regclass(format('%I.%I',
            split_part(c.table_name, '.', 1), split_part(c.table_name, '.', 2)))
            AND a.attname = c.column_name::name AND NOT a.attisdropped
        WHERE c.contract_id = p_contract
            AND format_type(a.atttypid, -1) IS DISTINCT FROM c.type_name
        ORDER BY c.part, c.position
        LIMIT 1);
END
$contract_problem$;

COMMENT ON FUNCTION pyrepl.contract_problem(integer) IS
    'what keeps the portal from keeping this contract, or NULL';
REVOKE ALL ON FUNCTION pyrepl.contract_problem(integer) FROM PUBLIC;
