-- COMMIT, and set the path that what follows needs: operators and functions of others stand
-- in that of whoever calls serve or poll, which cannot have a SET of their own.
CREATE OR REPLACE PROCEDURE pyrepl.commit_pinned()
LANGUAGE plpgsql
AS $commit_pinned$
BEGIN
    COMMIT;
    PERFORM pg_catalog.set_config('search_path', 'pg_catalog, pg_temp', true);
END
$commit_pinned$;

COMMENT ON PROCEDURE pyrepl.commit_pinned() IS
    'commits, and pins the path of the next transaction; part of serve and poll';
REVOKE ALL ON PROCEDURE pyrepl.commit_pinned() FROM PUBLIC;
GRANT EXECUTE ON PROCEDURE pyrepl.commit_pinned() TO pyrepl_worker;
