-- Whether the tables of the platform still are what can be replicated: ordinary tables, of
-- which each statement tells its triggers. One that is not there has a row of its grants.
-- Slots: table_problems
CREATE OR REPLACE FUNCTION pyrepl.platform_rows(p_tables text[])
RETURNS TABLE (kind text, name text, state text, source text, held text, problem text)
LANGUAGE sql
STABLE
SET search_path = pg_catalog, pg_temp
AS $platform_rows$
    SELECT 'platform table', t.name,
        CASE WHEN t.problem IS NULL THEN 'current' ELSE 'edited' END, NULL, NULL, t.problem
    FROM ({table_problems}) t;
$platform_rows$;

COMMENT ON FUNCTION pyrepl.platform_rows(text[]) IS
    'whether the tables of the platform still can be replicated';
REVOKE ALL ON FUNCTION pyrepl.platform_rows(text[]) FROM PUBLIC;
