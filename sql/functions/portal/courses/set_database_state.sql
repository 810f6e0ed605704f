-- Pause course databases, take a pause back (backfilling), or begin their removal.
-- Returns the names of those whose state has changed. Writes: database.
CREATE OR REPLACE FUNCTION pyrepl.set_database_state(
    p_databases integer[], p_state text)
RETURNS SETOF text
LANGUAGE plpgsql
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $set_database_state$
BEGIN
    PERFORM pyrepl.require_databases(p_databases);
    PERFORM pyrepl.require_one_of('the state', p_state,
        ARRAY['paused', 'backfilling', 'removing']);
    RETURN QUERY
    UPDATE pyrepl.database d SET state = p_state
    WHERE d.id = ANY (p_databases) AND d.state = ANY (CASE p_state
        WHEN 'paused' THEN ARRAY['active', 'backfilling']
        WHEN 'backfilling' THEN ARRAY['paused']
        ELSE ARRAY['active', 'backfilling', 'paused'] END)
    RETURNING d.name;
END
$set_database_state$;

COMMENT ON FUNCTION pyrepl.set_database_state(integer[], text) IS
    'pauses and resumes deliveries, and begins a removal';
REVOKE ALL ON FUNCTION pyrepl.set_database_state(integer[], text) FROM PUBLIC;
