-- COMMIT, and set what the next transaction needs: operators and functions of others stand
-- in the path of whoever calls serve or poll, which cannot have a SET of their own; and his
-- database may begin transactions of another kind. Before any query: then it is too late.
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
END
$commit_pinned$;

COMMENT ON PROCEDURE pyrepl.commit_pinned() IS
    'commits, and pins path and kind of the next transaction; part of serve and poll';
REVOKE ALL ON PROCEDURE pyrepl.commit_pinned() FROM PUBLIC;
GRANT EXECUTE ON PROCEDURE pyrepl.commit_pinned() TO pyrepl_worker;
