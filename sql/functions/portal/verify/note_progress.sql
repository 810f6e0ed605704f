-- Note how far a verification has come, so that it can go on after an interruption:
-- p_position is the first id that was not looked at, NULL at the end. p_suspects are users
-- who were found to differ. For members of pyrepl_worker: a wrong word of this would
-- keep a later verification from looking. Writes: verifying.
CREATE OR REPLACE FUNCTION pyrepl.note_progress(
    p_database integer, p_position bigint, p_members bigint, p_former bigint,
    p_suspects bigint[])
RETURNS void
LANGUAGE sql
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $note_progress$
    DELETE FROM pyrepl.verifying v
    WHERE v.database_id = p_database AND p_position IS NULL;
    INSERT INTO pyrepl.verifying (database_id, position, members, former, suspects)
    SELECT p_database, p_position, p_members, p_former, p_suspects
    WHERE p_position IS NOT NULL
    ON CONFLICT (database_id) DO UPDATE
    SET position = excluded.position, members = excluded.members,
        former = excluded.former, suspects = excluded.suspects, at = excluded.at;
$note_progress$;

COMMENT ON FUNCTION pyrepl.note_progress(integer, bigint, bigint, bigint, bigint[]) IS
    'keeps or forgets how far a verification has come';
REVOKE ALL ON FUNCTION pyrepl.note_progress(integer, bigint, bigint, bigint, bigint[])
    FROM PUBLIC;
GRANT EXECUTE ON FUNCTION pyrepl.note_progress(integer, bigint, bigint, bigint, bigint[])
    TO pyrepl_worker;
