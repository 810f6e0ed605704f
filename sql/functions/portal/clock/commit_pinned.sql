-- COMMIT, and begin the next transaction of serve or poll: with the path that it needs
-- (operators and functions of others stand in that of the caller; serve and poll cannot
-- have a SET of their own), and with the lock that says that a clock is alive. It goes with
-- the transaction, so that a call that fails leaves none behind in its session.
-- Locks: the clocks' advisory lock, shared.
CREATE OR REPLACE PROCEDURE pyrepl.commit_pinned()
LANGUAGE plpgsql
AS $commit_pinned$
BEGIN
    COMMIT;
    PERFORM pg_catalog.set_config('search_path', 'pg_catalog, pg_temp', true);
    PERFORM pg_try_advisory_xact_lock_shared(1887007344, -2);
END
$commit_pinned$;

COMMENT ON PROCEDURE pyrepl.commit_pinned() IS
    'commits, and pins the path of the next transaction; part of serve and poll';
REVOKE ALL ON PROCEDURE pyrepl.commit_pinned() FROM PUBLIC;
GRANT EXECUTE ON PROCEDURE pyrepl.commit_pinned() TO pyrepl_worker;
