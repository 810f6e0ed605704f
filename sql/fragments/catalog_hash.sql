-- What the catalog holds of an object, as one hash; NULL where there is none. Names are
-- looked for as they are, so that no right on a schema is needed. Depends on search_path.
-- view_text is that of view c: as this server writes it, or as the one of the
-- installation did, where that is the same view.
-- Slots: kind, name, view_text
CASE {kind}
WHEN 'function' THEN (
    SELECT md5(string_agg(concat_ws('|', pg_get_functiondef(p.oid), (
            SELECT string_agg(a::text, ',' ORDER BY a::text) FROM unnest(p.proacl) a),
        pg_get_userbyid(p.proowner)), '|' ORDER BY p.oid))
    FROM pg_proc p
    JOIN pg_namespace n ON n.oid = p.pronamespace AND n.nspname = 'pyrepl'
    WHERE p.proname = {name}::name)
WHEN 'view' THEN (
    SELECT md5(concat_ws('|', {view_text}, (
            -- Version 17 gives owners one right more, and to a view it means nothing.
            SELECT string_agg(format('%s may %s%s', a.grantee::regrole, a.privilege_type,
                CASE WHEN a.is_grantable THEN ' and give' END), ','
                ORDER BY a.grantee::regrole::text, a.privilege_type)
            FROM aclexplode(c.relacl) a WHERE a.privilege_type <> 'MAINTAIN'),
        pg_get_userbyid(c.relowner), (
            SELECT string_agg(pg_get_triggerdef(t.oid) || t.tgenabled::text, '|'
                ORDER BY t.tgname)
            FROM pg_trigger t WHERE t.tgrelid = c.oid)))
    FROM pg_class c
    JOIN pg_namespace n ON n.oid = c.relnamespace AND n.nspname = 'pyrepl'
    WHERE c.relkind = 'v' AND c.relname = {name}::name)
WHEN 'type' THEN (
    SELECT md5(string_agg(concat_ws('|', a.attname, format_type(a.atttypid, -1)), '|'
        ORDER BY a.attnum))
    FROM pg_class c
    JOIN pg_namespace n ON n.oid = c.relnamespace AND n.nspname = 'pyrepl'
    JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
    WHERE c.relkind = 'c' AND c.relname = {name}::name)
WHEN 'triggers' THEN (
    SELECT md5(string_agg(concat_ws('|', pg_get_triggerdef(t.oid), t.tgenabled), '|'
        ORDER BY t.tgname))
    FROM pg_trigger t
    JOIN pg_class c ON c.oid = t.tgrelid
    JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE n.nspname || '.' || c.relname = {name} AND t.tgname LIKE 'pyrepl\_%')
END
