-- A dossier was sent with those of copies that hold its unique values, and one of these
-- fails: each of them is tried alone from now on, and nobody else waits for that. Part of
-- note_probe. Writes: retry.
CREATE OR REPLACE FUNCTION pyrepl.set_companions_aside(
    p_health pyrepl.health, p_writer boolean)
RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $set_companions_aside$
BEGIN
    INSERT INTO pyrepl.retry
        (database_id, user_id, attempts, due_at, sqlstate, message, hint)
    SELECT p_health.database_id, c.id, 0, clock_timestamp() + interval '2 s',
        p_health.sqlstate, p_health.message, p_health.hint
    FROM unnest(pyrepl.bring_along(p_health, p_writer)) c(id)
    WHERE c.id <> p_health.intent[1]
    ON CONFLICT (database_id, user_id) DO NOTHING;
    PERFORM pyrepl.set_aside(p_health);
END
$set_companions_aside$;

COMMENT ON FUNCTION pyrepl.set_companions_aside(pyrepl.health, boolean) IS
    'sets a dossier aside, and those that were sent along; part of deliver';
REVOKE ALL ON FUNCTION pyrepl.set_companions_aside(pyrepl.health, boolean) FROM PUBLIC;
