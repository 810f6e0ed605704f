-- Bind this course database to a portal, under the number that it has there, and begin
-- the chain of pushes anew. Writes: binding, chain.
CREATE OR REPLACE FUNCTION pyrepl.bind(
    p_portal text, p_database integer, p_link_role text, p_fingerprint text,
    p_tag uuid, p_guard text)
RETURNS void
LANGUAGE plpgsql
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $bind$
BEGIN
    PERFORM pyrepl.require_guard(p_guard);
    IF coalesce(p_portal, '') !~ '^\d+/\d+$' OR coalesce(p_link_role, '') = ''
        OR coalesce(p_fingerprint, '') !~ '^[0-9a-f]{32}$' OR p_database IS NULL
        OR p_tag IS NULL
    THEN
        RAISE 'a binding must be complete' USING ERRCODE = 'PR041',
            HINT = 'It names portal (system identifier/database oid), number, link role,'
            ' fingerprint of the contract, tag and guard.';
    END IF;
    INSERT INTO pyrepl.binding (portal, database_id, link_role, fingerprint, guard)
    VALUES (p_portal, p_database, p_link_role, p_fingerprint, p_guard)
    ON CONFLICT (singleton) DO UPDATE SET
        portal = excluded.portal, database_id = excluded.database_id,
        link_role = excluded.link_role, fingerprint = excluded.fingerprint,
        guard = excluded.guard, bound_at = now();
    DELETE FROM pyrepl.chain;
    INSERT INTO pyrepl.chain (tag, before) VALUES (p_tag, p_tag);
END
$bind$;

COMMENT ON FUNCTION pyrepl.bind(text, integer, text, text, uuid, text) IS
    'binds a course database to a portal, with a new chain';
REVOKE ALL ON FUNCTION pyrepl.bind(text, integer, text, text, uuid, text) FROM PUBLIC;
