-- Refuse to deliver to a database whose contract the portal cannot keep (PR012).
CREATE OR REPLACE FUNCTION pyrepl.require_contract(p_database integer)
RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $require_contract$
DECLARE
    v_database pyrepl.database;
    v_problem text;
BEGIN
    SELECT d.* INTO v_database FROM pyrepl.database d WHERE d.id = p_database;
    v_problem := pyrepl.contract_problem(v_database.contract_id);
    IF v_problem IS NOT NULL THEN
        RAISE '%', v_problem USING ERRCODE = 'PR012', HINT = format(
            'Run "pyreplctl install", then "pyreplctl course refresh %s".',
            v_database.name);
    END IF;
END
$require_contract$;

COMMENT ON FUNCTION pyrepl.require_contract(integer) IS
    'raises PR012 where the portal has not the columns of a contract; part of push';
REVOKE ALL ON FUNCTION pyrepl.require_contract(integer) FROM PUBLIC;
