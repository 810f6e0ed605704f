-- Ids may have been given to others on the portal: apply is to look closely at each
-- copy. Writes: copy.
CREATE OR REPLACE FUNCTION pyrepl.forget_generations()
RETURNS void
LANGUAGE plpgsql
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $forget_generations$
BEGIN
    UPDATE pyrepl.copy c SET generation = -1;
END
$forget_generations$;

COMMENT ON FUNCTION pyrepl.forget_generations() IS
    'makes apply compare every copy with the person who comes next';
REVOKE ALL ON FUNCTION pyrepl.forget_generations() FROM PUBLIC;
