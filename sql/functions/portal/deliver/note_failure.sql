-- A push failed. If it was a batch, an empty push will tell whether the database or a
-- dossier is at fault. If it was the empty push, the database is: back off; nobody's
-- attempts are used. The detail of PR021 is an array of users: the copies in the way.
-- Writes: health.
CREATE OR REPLACE FUNCTION pyrepl.note_failure(
    p_health pyrepl.health, p_sqlstate text, p_message text, p_hint text, p_detail text)
RETURNS void
LANGUAGE sql
SET search_path = pg_catalog, pg_temp
AS $note_failure$
    UPDATE pyrepl.health h
    SET phase = 'probe', serving = NULL,
        failed_at = clock_timestamp(),
        sqlstate = p_sqlstate, message = p_message, hint = p_hint,
        holders = CASE WHEN p_sqlstate = 'PR021' AND p_detail ~ '^{[0-9,-]+}$'
            THEN p_detail::bigint[] ELSE '{}' END,
        failures = CASE WHEN h.phase = 'probe' THEN h.failures + 1
            WHEN h.health = 'blocked' THEN h.failures ELSE 0 END,
        retry_at = CASE h.phase WHEN 'probe' THEN pyrepl.back_off(h.failures) END,
        health = CASE
            WHEN h.phase <> 'probe' THEN h.health
            WHEN p_sqlstate = 'PR010' THEN 'refused'
            WHEN p_sqlstate IN ('PR011', 'PR012') THEN 'waiting_contract'
            WHEN p_sqlstate = 'PR013' THEN 'forked'
            ELSE 'backing_off' END
    WHERE h.database_id = p_health.database_id;
$note_failure$;

COMMENT ON FUNCTION pyrepl.note_failure(pyrepl.health, text, text, text, text) IS
    'decides what follows a push that failed';
REVOKE ALL ON FUNCTION pyrepl.note_failure(pyrepl.health, text, text, text, text)
    FROM PUBLIC;
