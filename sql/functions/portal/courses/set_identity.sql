-- Keep which database a course database is (system identifier/database oid), and that it
-- is this portal that has bound it. Writes: database.
CREATE OR REPLACE FUNCTION pyrepl.set_identity(p_database integer, p_identity text)
RETURNS void
LANGUAGE plpgsql
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $set_identity$
BEGIN
    PERFORM pyrepl.require_databases(ARRAY[p_database]);
    IF coalesce(p_identity, '') !~ '^\d+/\d+$' OR EXISTS (
        SELECT FROM pyrepl.database d
        WHERE d.identity = p_identity AND d.id <> p_database)
    THEN
        RAISE '% is not the identity of this course database',
            coalesce(quote_literal(p_identity), 'NULL')
            USING ERRCODE = 'PR041',
            HINT = 'It is system identifier/database oid, and no other one''s.';
    END IF;
    UPDATE pyrepl.database d SET identity = p_identity, portal = pyrepl.identity()
    WHERE d.id = p_database AND (d.identity, d.portal)
        IS DISTINCT FROM (p_identity, pyrepl.identity());
END
$set_identity$;

COMMENT ON FUNCTION pyrepl.set_identity(integer, text) IS
    'keeps which database a course database is';
REVOKE ALL ON FUNCTION pyrepl.set_identity(integer, text) FROM PUBLIC;
