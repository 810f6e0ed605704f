-- The number of a contract that install has stored; PR042 where there is none.
CREATE OR REPLACE FUNCTION pyrepl.contract_number(p_fingerprint text)
RETURNS integer
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $contract_number$
DECLARE
    v_contract integer;
BEGIN
    SELECT c.id INTO v_contract FROM pyrepl.contract c WHERE c.fingerprint = p_fingerprint;
    IF v_contract IS NULL THEN
        RAISE 'there is no contract %', coalesce(p_fingerprint, 'NULL')
            USING ERRCODE = 'PR042', HINT = 'Run "pyreplctl install" first.';
    END IF;
    RETURN v_contract;
END
$contract_number$;

COMMENT ON FUNCTION pyrepl.contract_number(text) IS
    'number of a contract by its fingerprint';
REVOKE ALL ON FUNCTION pyrepl.contract_number(text) FROM PUBLIC;
