-- Record whom the next batch is about before it is tried: a dossier whose retry is due, or,
-- while bad dossiers are being isolated, a small batch. Part of deliver.
-- Returns whether there is an intent now. Writes: health.
CREATE OR REPLACE FUNCTION pyrepl.form_intent(p_health pyrepl.health)
RETURNS boolean
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $form_intent$
DECLARE
    v_intent bigint[] := ARRAY(
        SELECT r.user_id FROM pyrepl.retry r
        WHERE r.database_id = p_health.database_id AND pyrepl.is_due(r.due_at)
            AND p_health.companions = '{}'  -- they belong to the batch that failed
            -- Every other time the queue goes first: retries may be many, and slow. A
            -- subquery, as it would be every other row otherwise. Each priority by itself,
            -- so that its mark bounds what is read of the index.
            AND ((SELECT random()) < 0.5 OR NOT EXISTS (
                SELECT FROM pyrepl.outbox o
                WHERE o.database_id = p_health.database_id AND o.priority = 0
                    AND o.id > 0 AND o.id > pyrepl.outbox_mark_of(p_health.database_id, 0)
            ) AND NOT EXISTS (
                SELECT FROM pyrepl.outbox o
                WHERE o.database_id = p_health.database_id AND o.priority = 1
                    AND o.id > 0 AND o.id > pyrepl.outbox_mark_of(p_health.database_id, 1)))
        -- in a blocked database any one may be the first that goes through
        ORDER BY CASE WHEN p_health.health = 'blocked' THEN random() END, r.due_at
        LIMIT 1);
    v_claim record;
BEGIN
    IF v_intent = '{}' AND p_health.phase = 'isolate' THEN
        SELECT c.* INTO v_claim
        FROM pyrepl.claim(p_health.database_id, NULL, p_health.batch) c;
        v_intent := v_claim.users;
        IF v_claim.tids = '{}' THEN
            UPDATE pyrepl.health h
            SET phase = 'normal', batch = NULL, companions = '{}',
                sqlstate = NULL, message = NULL, hint = NULL,
                health = CASE WHEN EXISTS (SELECT FROM pyrepl.retry r
                    WHERE r.database_id = h.database_id AND r.due_at IS NOT NULL)
                    THEN h.health ELSE 'ok' END
            WHERE h.database_id = p_health.database_id;
            RETURN false;
        ELSIF v_intent = '{}' THEN
            RETURN true;  -- claim has only found dossiers that are to be tried alone
        END IF;
    END IF;
    IF v_intent = '{}' THEN
        RETURN false;
    END IF;
    UPDATE pyrepl.health h SET intent = v_intent WHERE h.database_id = p_health.database_id;
    RETURN true;
END
$form_intent$;

COMMENT ON FUNCTION pyrepl.form_intent(pyrepl.health) IS
    'records the users of the next batch in health.intent; part of deliver';
REVOKE ALL ON FUNCTION pyrepl.form_intent(pyrepl.health) FROM PUBLIC;
