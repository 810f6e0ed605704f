-- The empty push went through, so the database is well. Where it was not, start afresh;
-- where it was, the dossiers of the failed batch are at fault: split it, or set the one
-- that failed alone aside. Its outbox rows stay: they may carry a newer change, and make
-- claim try it once more. Part of deliver. Writes: health, retry.
CREATE OR REPLACE FUNCTION pyrepl.note_probe(p_health pyrepl.health)
RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $note_probe$
DECLARE
    v_size integer := coalesce(cardinality(p_health.intent), p_health.batch,
        (SELECT s.batch FROM pyrepl.settings s));
    v_half integer := greatest(v_size / 2, 1);
BEGIN
    IF p_health.health <> 'ok'
        AND (cardinality(p_health.intent) IS DISTINCT FROM 1 OR NOT p_health.suspect)
    THEN
        -- An outage uses up nobody's attempts; but the one dossier that was on its way
        -- when the database went down is watched: it may be what brings it down.
        UPDATE pyrepl.health h
        SET health = 'ok', phase = 'isolate', batch = v_half, failures = 0, retry_at = NULL,
            suspect = cardinality(h.intent) IS NOT DISTINCT FROM 1,
            intent = CASE WHEN cardinality(h.intent) = 1 THEN h.intent END,
            sqlstate = NULL, message = NULL, hint = NULL
        WHERE h.database_id = p_health.database_id;
        RETURN;
    END IF;
    IF cardinality(p_health.intent) = 1 THEN
        -- A local account in the way goes away only by a person's doing: no use to retry.
        INSERT INTO pyrepl.retry AS r
            (database_id, user_id, attempts, due_at, sqlstate, message, hint)
        VALUES (p_health.database_id, p_health.intent[1], 1,
            CASE WHEN p_health.sqlstate <> 'PR020'
                THEN clock_timestamp() + interval '2 s' END,
            p_health.sqlstate, p_health.message, p_health.hint)
        ON CONFLICT (database_id, user_id) DO UPDATE
        SET attempts = r.attempts + 1, sqlstate = excluded.sqlstate,
            message = excluded.message, hint = excluded.hint,
            due_at = CASE WHEN excluded.due_at IS NOT NULL AND r.attempts < 6
                THEN clock_timestamp() + interval '2 s' * 2 ^ r.attempts END;
    END IF;
    UPDATE pyrepl.health h
    SET phase = 'isolate', batch = v_half, health = 'ok', failures = 0, retry_at = NULL,
        suspect = false,
        intent = CASE WHEN v_size > 1 THEN h.intent[:v_half] END
    WHERE h.database_id = p_health.database_id;
END
$note_probe$;

COMMENT ON FUNCTION pyrepl.note_probe(pyrepl.health) IS
    'draws the conclusion from an empty push that succeeded; part of deliver';
REVOKE ALL ON FUNCTION pyrepl.note_probe(pyrepl.health) FROM PUBLIC;
