-- Serve a course database in another contract from now on. Writes: database.
CREATE OR REPLACE FUNCTION pyrepl.set_contract(p_database integer, p_fingerprint text)
RETURNS void
LANGUAGE plpgsql
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $set_contract$
BEGIN
    PERFORM pyrepl.require_databases(ARRAY[p_database]);
    UPDATE pyrepl.database d SET contract_id = pyrepl.contract_number(p_fingerprint)
    WHERE d.id = p_database;
END
$set_contract$;

COMMENT ON FUNCTION pyrepl.set_contract(integer, text) IS
    'serves a course database in another contract';
REVOKE ALL ON FUNCTION pyrepl.set_contract(integer, text) FROM PUBLIC;
