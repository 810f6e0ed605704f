-- A dossier failed alone: it is tried again later, 2 s doubling, and after seven attempts
-- is a dead letter. A local account in the way, or a constraint that takes no placeholder,
-- goes away only by a person's doing: dead at once. Its outbox rows stay: they may carry a
-- newer change, and make claim try it again.
-- Returns whether the database is blocked: three dossiers in a row have failed alike, and
-- none has been delivered since. Then nobody's attempts are used. Writes: retry.
CREATE OR REPLACE FUNCTION pyrepl.set_aside(p_health pyrepl.health)
RETURNS boolean
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $set_aside$
DECLARE
    v_blocked boolean := p_health.sqlstate NOT IN ('PR020', 'PR021', 'PR022') AND 2 <= (
        SELECT count(*) FROM pyrepl.retry r
        WHERE r.database_id = p_health.database_id AND r.user_id <> p_health.intent[1]
            AND r.sqlstate = p_health.sqlstate AND r.message = p_health.message
            AND (r.failed_at > coalesce(p_health.last_delivered_at, '-infinity')
                OR p_health.last_delivered_at > clock_timestamp()));
BEGIN
    INSERT INTO pyrepl.retry AS r
        (database_id, user_id, attempts, due_at, sqlstate, message, hint)
    VALUES (p_health.database_id, p_health.intent[1], CASE WHEN v_blocked THEN 0 ELSE 1 END,
        CASE WHEN p_health.sqlstate NOT IN ('PR020', 'PR022')
            THEN clock_timestamp() + interval '2 s' END,
        p_health.sqlstate, p_health.message, p_health.hint)
    ON CONFLICT (database_id, user_id) DO UPDATE
    SET attempts = r.attempts + excluded.attempts, sqlstate = excluded.sqlstate,
        message = excluded.message, hint = excluded.hint, failed_at = clock_timestamp(),
        due_at = CASE
            WHEN excluded.due_at IS NOT NULL AND (r.attempts < 6 OR v_blocked)
            THEN clock_timestamp() + interval '2 s' * 2 ^ least(r.attempts, 6) END;
    RETURN v_blocked;
END
$set_aside$;

COMMENT ON FUNCTION pyrepl.set_aside(pyrepl.health) IS
    'keeps a dossier that failed alone out of batches, to be retried; part of deliver';
REVOKE ALL ON FUNCTION pyrepl.set_aside(pyrepl.health) FROM PUBLIC;
