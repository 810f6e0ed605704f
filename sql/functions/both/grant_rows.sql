-- Whether a role of ours has the rights on tables of the platform that it needs, and
-- whether pyrepl_owner can read what it should not.
CREATE OR REPLACE FUNCTION pyrepl.grant_rows(
    p_tables text[], p_rights text[], p_role name)
RETURNS TABLE (kind text, name text, state text, source text, held text, problem text)
LANGUAGE sql
STABLE
SET search_path = pg_catalog, pg_temp
AS $grant_rows$
    SELECT 'grant', w.name,
        CASE WHEN c.oid IS NULL OR l.lacking IS NOT NULL THEN 'missing'
            WHEN l.excess THEN 'edited' ELSE 'current' END,
        NULL, NULL,
        CASE WHEN c.oid IS NULL THEN 'there is no such table'
            WHEN l.lacking IS NOT NULL THEN p_role || ' lacks ' || l.lacking
            WHEN l.excess THEN 'pyrepl_owner may read it, and so would run the code of'
                ' its owner' END
    FROM unnest(p_tables) w(name)
    LEFT JOIN (
        SELECT c.oid, c.relnamespace, n.nspname || '.' || c.relname AS name
        FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
        WHERE c.relkind IN ('r', 'p')) c ON c.name = w.name
    CROSS JOIN LATERAL (
        SELECT nullif(concat_ws(', ',
            CASE WHEN NOT coalesce(
                has_schema_privilege(to_regrole(p_role), c.relnamespace, 'USAGE'), false)
                THEN 'USAGE of its schema' END,
            string_agg(r.wanted, ', ') FILTER (WHERE NOT coalesce(
                has_table_privilege(to_regrole(p_role), c.oid, r.wanted), false))), '')
            AS lacking,
            p_role = 'pyrepl_reader' AND coalesce(has_any_column_privilege(
                to_regrole('pyrepl_owner'), c.oid, 'SELECT'), false) AS excess
        FROM unnest(p_rights) r(wanted)) l;
$grant_rows$;

COMMENT ON FUNCTION pyrepl.grant_rows(text[], text[], name) IS
    'rights on the tables of the platform that are lacking';
REVOKE ALL ON FUNCTION pyrepl.grant_rows(text[], text[], name) FROM PUBLIC;
