-- Whether the owner of our schema has the rights on the platform's tables that it needs.
CREATE OR REPLACE FUNCTION pyrepl.grant_rows(p_tables text[], p_rights text[])
RETURNS TABLE (kind text, name text, state text, source text, held text, problem text)
LANGUAGE sql
STABLE
SET search_path = pg_catalog, pg_temp
AS $grant_rows$
    SELECT 'grant', w.name,
        CASE WHEN c.oid IS NULL OR l.lacking IS NOT NULL THEN 'missing' ELSE 'current' END,
        NULL, NULL,
        CASE WHEN c.oid IS NULL THEN 'there is no such table'
            ELSE format('%I lacks %s', current_user, l.lacking) END
    FROM unnest(p_tables) w(name)
    LEFT JOIN (
        SELECT c.oid, c.relnamespace, n.nspname || '.' || c.relname AS name
        FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
        WHERE c.relkind IN ('r', 'p')) c ON c.name = w.name
    CROSS JOIN LATERAL (
        SELECT nullif(concat_ws(', ',
            CASE WHEN NOT has_schema_privilege(c.relnamespace, 'USAGE')
                THEN 'USAGE of its schema' END,
            string_agg(r.wanted, ', ')
                FILTER (WHERE NOT has_table_privilege(c.oid, r.wanted))), '') AS lacking
        FROM unnest(p_rights) r(wanted)) l;
$grant_rows$;

COMMENT ON FUNCTION pyrepl.grant_rows(text[], text[]) IS
    'rights on the tables of the platform that are lacking';
REVOKE ALL ON FUNCTION pyrepl.grant_rows(text[], text[]) FROM PUBLIC;
