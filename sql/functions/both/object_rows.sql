-- Functions, views, types and triggers: each that was installed, and whether the catalog
-- still holds what it held then (a view after pg_upgrade: what this server makes of what
-- was installed); and those of ours by name that nobody has installed.
-- Returns kind, name, state, the hash of the source, the names of triggers, and in words
-- what can be said from here.
-- Slots: installed_hash
CREATE OR REPLACE FUNCTION pyrepl.object_rows()
RETURNS TABLE (kind text, name text, state text, source text, held text, problem text)
LANGUAGE sql
STABLE
SET search_path = pg_catalog, pg_temp
SET quote_all_identifiers = off
AS $object_rows$
    WITH trigger AS (
        SELECT n.nspname || '.' || c.relname AS table_name, t.tgname, t.tgenabled
        FROM pg_trigger t
        JOIN pg_class c ON c.oid = t.tgrelid AND c.relkind IN ('r', 'p')
        JOIN pg_namespace n ON n.oid = c.relnamespace
        WHERE t.tgname LIKE 'pyrepl\_%' AND NOT t.tgisinternal
    ), thing AS (
        SELECT 'function' AS kind, p.proname::text AS name, NULL AS held, false AS disabled,
            string_agg(pyrepl.privilege_problem(p.proowner,
                coalesce(p.proacl, acldefault('f', p.proowner)), true), '; ') AS problem
        FROM pg_proc p
        WHERE p.pronamespace = 'pyrepl'::regnamespace AND NOT EXISTS (
            SELECT FROM pg_depend d WHERE d.classid = 'pg_proc'::regclass
                AND d.objid = p.oid AND d.deptype = 'e')
        GROUP BY p.proname
        UNION ALL
        SELECT CASE c.relkind WHEN 'v' THEN 'view' ELSE 'type' END, c.relname, NULL, false,
            pyrepl.privilege_problem(c.relowner, c.relacl, true)
        FROM pg_class c
        WHERE c.relnamespace = 'pyrepl'::regnamespace AND c.relkind IN ('v', 'c')
        UNION ALL
        SELECT 'triggers', t.table_name, string_agg(t.tgname, ' ' ORDER BY t.tgname),
            bool_or(t.tgenabled <> 'A'),
            string_agg(CASE t.tgenabled
                WHEN 'D' THEN t.tgname || ' is disabled'
                WHEN 'O' THEN t.tgname || ' does not fire where'
                    ' session_replication_role is replica'
                WHEN 'R' THEN t.tgname || ' fires only where session_replication_role is'
                    ' replica' END, '; ' ORDER BY t.tgname)
        FROM trigger t GROUP BY t.table_name
    )
    SELECT coalesce(o.kind, t.kind), coalesce(o.name, t.name),
        CASE WHEN o.kind IS NULL THEN 'orphan'
            WHEN t.kind IS NULL THEN 'missing'
            WHEN t.disabled THEN 'disabled'
            WHEN o.catalog_hash = ({installed_hash}) AND t.problem IS NULL THEN 'current'
            ELSE 'edited' END,
        o.source_hash, t.held, t.problem
    FROM pyrepl.object o
    FULL JOIN thing t ON t.kind = o.kind AND t.name = o.name;
$object_rows$;

COMMENT ON FUNCTION pyrepl.object_rows() IS
    'what was installed, and whether the catalog still holds it so';
REVOKE ALL ON FUNCTION pyrepl.object_rows() FROM PUBLIC;
