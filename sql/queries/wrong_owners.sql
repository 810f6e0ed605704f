-- What of ours belongs to somebody else, and the statement that takes it back. Asks the
-- catalog only: kinds and names are those of pyrepl.object, which was read elsewhere.
-- Slots: kinds, names, owner
WITH ours AS (SELECT oid FROM pg_roles WHERE rolname = {owner}),
    object AS (SELECT * FROM unnest({kinds}::text[], {names}::text[]) o(kind, name))
SELECT 'schema' AS kind, 'pyrepl' AS name,
    format('ALTER SCHEMA pyrepl OWNER TO %I', {owner}) AS statement
FROM pg_namespace n
WHERE n.nspname = 'pyrepl' AND n.nspowner <> (SELECT oid FROM ours)
UNION ALL
SELECT o.kind, o.name, format('ALTER ROUTINE %s OWNER TO %I', p.oid::regprocedure,
    {owner})
FROM object o
JOIN pg_proc p ON p.proname = o.name::name
WHERE o.kind = 'function' AND p.pronamespace = 'pyrepl'::regnamespace
    -- On the portal they run as one of three; whose each is to be its own file says.
    AND p.proowner <> ALL (ARRAY(SELECT r.oid FROM pg_roles r
        WHERE r.rolname = {owner} OR {owner} = 'pyrepl_owner'
            AND r.rolname IN ('pyrepl_reader', 'pyrepl_capture')))
UNION ALL
SELECT o.kind, o.name, format('ALTER %s %s OWNER TO %I', o.kind, c.oid::regclass,
    {owner})
FROM object o
JOIN pg_class c ON c.relname = o.name::name
    AND c.relkind = CASE o.kind WHEN 'view' THEN 'v' ELSE 'c' END
WHERE o.kind IN ('view', 'type') AND c.relnamespace = 'pyrepl'::regnamespace
    AND c.relowner <> (SELECT oid FROM ours)
UNION ALL
SELECT CASE c.relkind WHEN 'f' THEN 'foreign table' ELSE 'table' END, c.relname,
    format('ALTER TABLE %s OWNER TO %I', c.oid::regclass, {owner})
FROM pg_class c
WHERE c.relnamespace = 'pyrepl'::regnamespace AND c.relkind IN ('r', 'f')
    AND c.relowner <> (SELECT oid FROM ours)
UNION ALL
SELECT 'server', s.srvname, format('ALTER SERVER %I OWNER TO %I', s.srvname, {owner})
FROM pg_foreign_server s
WHERE s.srvname LIKE 'pyrepl\_%' AND s.srvowner <> (SELECT oid FROM ours)
