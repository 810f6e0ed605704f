-- A push failed. If it was a batch, an empty push will tell whether the database or a
-- dossier is at fault. If it was the empty push, the database is: back off; nobody's
-- attempts are used. The detail of PR021 is an array of users: the copies in the way.
-- Of what a course says only what our functions say there is kept (see known_message), of
-- what this server says a piece. Returns the message as it is kept. Writes: health.
CREATE OR REPLACE FUNCTION pyrepl.note_failure(
    p_health pyrepl.health, p_sqlstate text, p_message text, p_hint text, p_detail text,
    p_context text)
RETURNS text
LANGUAGE sql
SET search_path = pg_catalog, pg_temp
AS $note_failure$
    UPDATE pyrepl.health h
    SET phase = 'probe', serving = NULL,
        failed_at = clock_timestamp(),
        sqlstate = pyrepl.clean_text(p_sqlstate, 5),
        message = CASE WHEN pyrepl.from_course(p_context)
            THEN pyrepl.known_message(p_sqlstate, p_message)
            ELSE pyrepl.clean_text(p_message, 500) END,
        hint = CASE WHEN pyrepl.from_course(p_context) THEN pyrepl.known_hint(p_hint)
            ELSE pyrepl.clean_text(p_hint, 500) END,
        holders = CASE WHEN p_sqlstate = 'PR021'
            THEN pyrepl.ids_in(p_detail) ELSE '{}' END,
        failures = CASE WHEN h.phase = 'probe' THEN h.failures + 1
            WHEN h.health = 'blocked' THEN h.failures ELSE 0 END,
        retry_at = CASE h.phase WHEN 'probe' THEN pyrepl.back_off(h.failures) END,
        health = CASE
            WHEN h.phase <> 'probe' THEN h.health
            WHEN p_sqlstate = 'PR010' THEN 'refused'
            WHEN p_sqlstate IN ('PR011', 'PR012') THEN 'waiting_contract'
            WHEN p_sqlstate = 'PR013' THEN 'forked'
            ELSE 'backing_off' END
    WHERE h.database_id = p_health.database_id
    RETURNING h.message;
$note_failure$;

COMMENT ON FUNCTION pyrepl.note_failure(
    pyrepl.health, text, text, text, text, text) IS
    'decides what follows a push that failed';
REVOKE ALL ON FUNCTION pyrepl.note_failure(pyrepl.health, text, text, text, text, text)
    FROM PUBLIC;
