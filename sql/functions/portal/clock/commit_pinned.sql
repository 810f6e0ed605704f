-- COMMIT, and begin the next transaction of serve or poll: of the kind that route needs,
-- whatever the caller's database begins (before any query: then it is too late); with its
-- own path (operators and functions of others stand in the caller's; serve and poll cannot
-- have a SET), and with the lock that says that a clock is alive. It goes with the
-- transaction, so that a call that fails leaves none behind in its session.
-- Locks: the clocks' advisory lock, shared.
CREATE OR REPLACE PROCEDURE pyrepl.commit_pinned()
LANGUAGE plpgsql
AS $commit_pinned$
BEGIN
    COMMIT;
    SET TRANSACTION ISOLATION LEVEL READ COMMITTED, READ WRITE;
    PERFORM pg_catalog.set_config('search_path', 'pg_catalog, pg_temp', true),
        pg_catalog.set_config('exit_on_error', 'off', true);
    -- Not every server has it; a push writes a foreign table.
    PERFORM pg_catalog.set_config('restrict_nonsystem_relation_kind', '', true)
    WHERE current_setting('restrict_nonsystem_relation_kind', true) <> '';
    PERFORM pg_try_advisory_xact_lock_shared(1887007344, -2);
END
$commit_pinned$;

COMMENT ON PROCEDURE pyrepl.commit_pinned() IS
    'commits, and pins path and kind of the next transaction; part of serve and poll';
REVOKE ALL ON PROCEDURE pyrepl.commit_pinned() FROM PUBLIC;
GRANT EXECUTE ON PROCEDURE pyrepl.commit_pinned() TO pyrepl_worker;
