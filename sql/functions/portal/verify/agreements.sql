-- What was agreed with each course database, for verification: its contract, the role of
-- its link, and how it is delivered and guarded.
CREATE OR REPLACE FUNCTION pyrepl.agreements()
RETURNS TABLE (
    id integer, name text, contract_id integer, link_role text, delivery text, guard text,
    link text, identity text)
LANGUAGE sql
STABLE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $agreements$
    SELECT d.id, d.name, d.contract_id, d.link_role, d.delivery, d.guard, d.link,
        d.identity
    FROM pyrepl.database d ORDER BY d.id;
$agreements$;

COMMENT ON FUNCTION pyrepl.agreements() IS
    'contract, link role, delivery and guard of each course database';
REVOKE ALL ON FUNCTION pyrepl.agreements() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION pyrepl.agreements() TO pyrepl_monitor;
