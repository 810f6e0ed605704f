-- Keep what the guard of a course database does; the course has a function of this
-- name, too. Returns whether that is new. Writes: database.
CREATE OR REPLACE FUNCTION pyrepl.set_guard(p_database integer, p_guard text)
RETURNS boolean
LANGUAGE plpgsql
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $set_guard$
BEGIN
    PERFORM pyrepl.require_databases(ARRAY[p_database]);
    PERFORM pyrepl.require_guard(p_guard);
    UPDATE pyrepl.database d SET guard = p_guard
    WHERE d.id = p_database AND d.guard <> p_guard;
    RETURN FOUND;
END
$set_guard$;

COMMENT ON FUNCTION pyrepl.set_guard(integer, text) IS
    'keeps what the guard of a course database does';
REVOKE ALL ON FUNCTION pyrepl.set_guard(integer, text) FROM PUBLIC;
