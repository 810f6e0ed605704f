-- From now on, take over local accounts with the id and the name of a member; queue all
-- members, so that it is done. Writes: database, change.
CREATE OR REPLACE FUNCTION pyrepl.adopt_accounts(p_database integer)
RETURNS void
LANGUAGE plpgsql
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $adopt_accounts$
BEGIN
    PERFORM pyrepl.require_databases(ARRAY[p_database]);
    UPDATE pyrepl.database d SET adopt = true, state = 'backfilling'
    WHERE d.id = p_database AND d.state <> 'paused';
    PERFORM pyrepl.queue_members(ARRAY[p_database], NULL);
END
$adopt_accounts$;

COMMENT ON FUNCTION pyrepl.adopt_accounts(integer) IS
    'takes over local accounts of a course database';
REVOKE ALL ON FUNCTION pyrepl.adopt_accounts(integer) FROM PUBLIC;
