-- Begin the chain of tags anew: the next push follows this one. Writes: chain.
CREATE OR REPLACE FUNCTION pyrepl.begin_chain(p_database integer, p_tag uuid)
RETURNS void
LANGUAGE plpgsql
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $begin_chain$
BEGIN
    PERFORM pyrepl.require_databases(ARRAY[p_database]);
    IF p_tag IS NULL THEN
        RAISE 'a chain begins with a tag' USING ERRCODE = 'PR041',
            HINT = 'The course database is bound with the same one.';
    END IF;
    DELETE FROM pyrepl.chain c WHERE c.database_id = p_database;
    INSERT INTO pyrepl.chain (database_id, tag) VALUES (p_database, p_tag);
END
$begin_chain$;

COMMENT ON FUNCTION pyrepl.begin_chain(integer, uuid) IS
    'begins the chain of pushes to a course database anew';
REVOKE ALL ON FUNCTION pyrepl.begin_chain(integer, uuid) FROM PUBLIC;
