-- Take a course database out of all tables. Its link and its functions are its own
-- business: only their record goes here. Route must not queue for it any more, nor find
-- a change gone. Writes: all tables. Locks: the database's delivery, the router.
CREATE OR REPLACE FUNCTION pyrepl.forget_database(
    p_database integer, p_functions text[])
RETURNS void
LANGUAGE plpgsql
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET lock_timeout = '90s'
AS $forget_database$
BEGIN
    PERFORM pyrepl.require_databases(ARRAY[p_database]);
    PERFORM pg_advisory_xact_lock(1887007344, p_database);
    PERFORM pg_advisory_xact_lock(1887007344, 0);
    PERFORM pyrepl.forget_objects('function', p_functions);
    DELETE FROM pyrepl.outbox o WHERE o.database_id = p_database;
    DELETE FROM pyrepl.outbox_mark m WHERE m.database_id = p_database;
    DELETE FROM pyrepl.change c WHERE c.database_id = p_database;
    DELETE FROM pyrepl.database d WHERE d.id = p_database;
    PERFORM pyrepl.note_immediate();
END
$forget_database$;

COMMENT ON FUNCTION pyrepl.forget_database(integer, text[]) IS
    'takes a course database out of all tables';
REVOKE ALL ON FUNCTION pyrepl.forget_database(integer, text[]) FROM PUBLIC;
