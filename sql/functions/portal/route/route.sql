-- Move change rows to outbox pairs, in a transaction of its own.
-- Returns the number of change rows taken; NULL when another session is routing.
CREATE OR REPLACE FUNCTION pyrepl.route()
RETURNS integer
LANGUAGE plpgsql
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET row_security = off
AS $route$
BEGIN
    RETURN (SELECT r.taken FROM pyrepl.route_batch() r);
END
$route$;

COMMENT ON FUNCTION pyrepl.route() IS
    'moves changes to the outbox of every database concerned; returns how many, '
    'NULL if another session does';
REVOKE ALL ON FUNCTION pyrepl.route() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION pyrepl.route() TO pyrepl_worker;
