-- Whom of an intent deliver may send now: those whom no writer is delivering immediately.
-- Where nobody is left, or a companion is not free, the intent is given up (NULL): the
-- others are not to wait, and its users come again by the queue or as a retry.
-- Part of deliver. Writes: health, retry.
CREATE OR REPLACE FUNCTION pyrepl.free_intent(p_health pyrepl.health)
RETURNS bigint[]
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $free_intent$
DECLARE
    v_busy bigint[] := pyrepl.users_locked_by_writers(
        p_health.intent || p_health.companions);
    v_free bigint[] := ARRAY(
        SELECT i.id FROM unnest(p_health.intent) i(id) WHERE i.id <> ALL (v_busy));
BEGIN
    IF v_free <> '{}' AND NOT v_busy && p_health.companions THEN
        RETURN v_free;
    END IF;
    UPDATE pyrepl.health h SET intent = NULL, companions = '{}'
    WHERE h.database_id = p_health.database_id;
    UPDATE pyrepl.retry r SET due_at = clock_timestamp() + interval '1 s'
    WHERE r.database_id = p_health.database_id AND pyrepl.is_due(r.due_at)
        AND r.user_id = ANY (p_health.intent);
    RETURN NULL;
END
$free_intent$;

COMMENT ON FUNCTION pyrepl.free_intent(pyrepl.health) IS
    'the users of an intent whom no writer is delivering; part of deliver';
REVOKE ALL ON FUNCTION pyrepl.free_intent(pyrepl.health) FROM PUBLIC;
