-- What this portal can tell of its own structure: objects, tables, links, roles and
-- rights, its settings, and what waits for route. Verification knows what should be here.
CREATE OR REPLACE FUNCTION pyrepl.structure()
RETURNS TABLE (kind text, name text, state text, source text, held text, problem text)
LANGUAGE sql
STABLE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $structure$
    SELECT * FROM pyrepl.object_rows()
    UNION ALL
    SELECT * FROM pyrepl.table_rows()
    UNION ALL
    SELECT * FROM pyrepl.link_rows()
    UNION ALL
    SELECT 'role', w.name,
        CASE WHEN to_regrole(w.name) IS NULL THEN 'missing'
            WHEN p.problem IS NULL THEN 'current' ELSE 'edited' END,
        NULL, NULL, p.problem
    FROM unnest('{pyrepl_owner,pyrepl_reader,pyrepl_capture,pyrepl_worker,pyrepl_monitor}'
        ::text[]) w(name)
    CROSS JOIN LATERAL (SELECT pyrepl.role_problem(w.name, false) AS problem) p
    UNION ALL
    SELECT g.* FROM pyrepl.settings s
    CROSS JOIN LATERAL (SELECT ARRAY(
        SELECT t.value ->> 'name' FROM jsonb_each(s.configuration -> 'tables') t)) t(names)
    CROSS JOIN LATERAL (
        SELECT * FROM pyrepl.grant_rows(t.names, '{SELECT}', 'pyrepl_reader')
        UNION ALL
        SELECT * FROM pyrepl.platform_rows(t.names)) g
    UNION ALL
    SELECT 'settings', 'settings', 'current', s.version, (s.configuration
        || jsonb_build_object('delivery', jsonb_build_object('batch', s.batch)))::text, NULL
    FROM pyrepl.settings s
    UNION ALL
    SELECT 'rows', m.name, 'outdated', NULL, NULL, m.problem
    FROM pyrepl.missed_changes() m
    UNION ALL
    SELECT 'identity', 'portal', 'current', NULL, pyrepl.identity(), NULL
    UNION ALL
    SELECT 'queue', 'changes', 'current', count(*)::text,
        extract(epoch FROM clock_timestamp() - min(c.at))::text, NULL
    FROM pyrepl.change c;
$structure$;

COMMENT ON FUNCTION pyrepl.structure() IS
    'what this portal can tell of its own structure';
REVOKE ALL ON FUNCTION pyrepl.structure() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION pyrepl.structure() TO pyrepl_monitor;
