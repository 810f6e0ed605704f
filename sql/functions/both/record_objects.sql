-- Record what install, register and refresh have created: the hash of the source that
-- each object was made from, and of what the catalog holds now. Writes: object.
-- Slots: catalog_hash
CREATE OR REPLACE FUNCTION pyrepl.record_objects(
    p_kinds text[], p_names text[], p_source_hashes text[])
RETURNS void
LANGUAGE plpgsql
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET quote_all_identifiers = off
AS $record_objects$
BEGIN
    IF cardinality(p_kinds) IS DISTINCT FROM cardinality(p_names)
        OR cardinality(p_kinds) IS DISTINCT FROM cardinality(p_source_hashes)
    THEN
        RAISE 'objects to record need a kind, a name and a hash each'
            USING ERRCODE = 'PR041', HINT = 'Give three arrays of the same length.';
    END IF;
    INSERT INTO pyrepl.object (
        kind, name, source_hash, catalog_hash, server, definition)
    SELECT o.kind, o.name, o.source_hash, {catalog_hash},
        current_setting('server_version_num')::integer / 10000,
        CASE o.kind WHEN 'view' THEN (
            SELECT pg_get_viewdef(c.oid) FROM pg_class c
            WHERE c.relnamespace = 'pyrepl'::regnamespace AND c.relname = o.name::name) END
    FROM unnest(p_kinds, p_names, p_source_hashes) o(kind, name, source_hash)
    ON CONFLICT (kind, name) DO UPDATE SET
        source_hash = excluded.source_hash, catalog_hash = excluded.catalog_hash,
        server = excluded.server, definition = excluded.definition;
END
$record_objects$;

COMMENT ON FUNCTION pyrepl.record_objects(text[], text[], text[]) IS
    'keeps what was created, for later installs and verify to compare';
REVOKE ALL ON FUNCTION pyrepl.record_objects(text[], text[], text[]) FROM PUBLIC;
