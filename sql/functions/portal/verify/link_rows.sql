-- The links, or one by its server: servers with their options, user mappings (whether there
-- is a password, not which), and foreign tables with a line for each column.
CREATE OR REPLACE FUNCTION pyrepl.link_rows(p_server text DEFAULT NULL)
RETURNS TABLE (kind text, name text, state text, source text, held text, problem text)
LANGUAGE sql
STABLE
SET search_path = pg_catalog, pg_temp
SET quote_all_identifiers = off
AS $link_rows$
    WITH wanted AS (
        SELECT w.server
        FROM (
            SELECT 'pyrepl_' || d.id FROM pyrepl.database d
            UNION ALL
            SELECT 'pyrepl_' || d.id || '_immediate' FROM pyrepl.database d
            WHERE d.delivery = 'immediate' OR to_regclass(
                'pyrepl.inbox_' || d.id || '_immediate') IS NOT NULL) w(server)
        WHERE p_server IS NULL OR w.server = p_server
    )
    SELECT 'server', coalesce(w.server, s.srvname),
        CASE WHEN s.oid IS NULL THEN 'missing' WHEN w.server IS NULL THEN 'orphan'
            WHEN o.problem IS NULL THEN 'current' ELSE 'edited' END,
        NULL, to_json(s.srvoptions)::text, o.problem
    FROM wanted w
    FULL JOIN (
        SELECT * FROM pg_foreign_server
        WHERE srvname LIKE 'pyrepl\_%' AND (p_server IS NULL OR srvname = p_server)) s
        ON s.srvname = w.server
    LEFT JOIN LATERAL (
        SELECT pyrepl.privilege_problem(s.srvowner, s.srvacl, false) AS problem) o ON true
    UNION ALL
    SELECT 'mapping', w.server,
        CASE WHEN m.ours IS NULL THEN 'missing'
            WHEN m.others IS NOT NULL OR NOT m.ours ~ '[{,"]password=' THEN 'edited'
            ELSE 'current' END,
        NULL, substring(m.ours FROM '[{,"]user=([^,}"]*)'),
        nullif(concat_ws('; ',
            CASE WHEN NOT m.ours ~ '[{,"]password=' THEN 'no password' END,
            'there is one for ' || m.others || ', too'), '')
    FROM wanted w
    CROSS JOIN LATERAL (
        SELECT max(m.umoptions::text) FILTER (WHERE m.usename = 'pyrepl_owner') AS ours,
            string_agg(CASE m.usename WHEN 'public' THEN 'PUBLIC' ELSE m.usename END, ', ')
                FILTER (WHERE m.usename <> 'pyrepl_owner') AS others
        FROM pg_user_mappings m WHERE m.srvname = w.server) m
    UNION ALL
    SELECT 'foreign table', c.relname,
        CASE WHEN o.problem IS NULL THEN 'current' ELSE 'edited' END, NULL,
        concat_ws(E'\n', s.srvname, f.ftoptions::text, (
            SELECT string_agg(a.attname || ' ' || format_type(a.atttypid, a.atttypmod),
                E'\n' ORDER BY a.attnum)
            FROM pg_attribute a
            WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped)), o.problem
    FROM pg_class c
    JOIN pg_foreign_table f ON f.ftrelid = c.oid
    JOIN pg_foreign_server s ON s.oid = f.ftserver
    CROSS JOIN LATERAL (
        SELECT pyrepl.privilege_problem(c.relowner, c.relacl, false) AS problem) o
    WHERE c.relnamespace = 'pyrepl'::regnamespace
        AND (p_server IS NULL OR s.srvname = p_server);
$link_rows$;

COMMENT ON FUNCTION pyrepl.link_rows(text) IS
    'servers, user mappings and foreign tables, and what is odd about them';
REVOKE ALL ON FUNCTION pyrepl.link_rows(text) FROM PUBLIC;
