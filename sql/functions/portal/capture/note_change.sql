-- Note a change: who left, and whom it concerns; everybody, where p_users is NULL. Called
-- from a block that catches errors, as none may reach a writer, for what capture does not
-- write by itself: who leaves, and where its own block has failed. Of a transaction only
-- the first change is written in a block: by its lock nobody can alter the table until the
-- end, and a block that writes takes a transaction id of its own; many of these in one
-- transaction slow every snapshot down. Writes: change, departure.
CREATE OR REPLACE FUNCTION pyrepl.note_change(
    p_users bigint[], p_courses text[], p_gone bigint[])
RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $note_change$
BEGIN
    IF p_gone IS NOT NULL THEN
        INSERT INTO pyrepl.departure (user_id) SELECT g.id FROM unnest(p_gone) g(id);
    END IF;
    INSERT INTO pyrepl.change (users, courses, priority, immediate)
    VALUES (p_users, p_courses, coalesce((cardinality(p_users) > 1000)::integer, 1),
        (cardinality(p_users) <= 20
            AND (SELECT s.immediate FROM pyrepl.settings s)) IS TRUE);
    PERFORM set_config('pyrepl.captured', 'on', true);
END
$note_change$;

COMMENT ON FUNCTION pyrepl.note_change(bigint[], text[], bigint[]) IS
    'notes a change for route; part of capture';
REVOKE ALL ON FUNCTION pyrepl.note_change(bigint[], text[], bigint[]) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION pyrepl.note_change(bigint[], text[], bigint[]) TO pyrepl_capture;
