-- The empty push went through, so the database is well. Where it was not, start afresh;
-- where it was, the dossiers of the failed batch are at fault: send others along, split
-- it, or see what to do about the one that failed alone. Part of deliver.
-- Writes: health, retry.
CREATE OR REPLACE FUNCTION pyrepl.note_probe(p_health pyrepl.health, p_writer boolean)
RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $note_probe$
DECLARE
    v_size integer := coalesce(cardinality(p_health.intent), p_health.batch,
        (SELECT s.batch FROM pyrepl.settings s));
    v_half integer := greatest(v_size / 2, 1);
    v_blocked boolean := p_health.health = 'blocked';
BEGIN
    IF p_health.health NOT IN ('ok', 'blocked')
        AND (cardinality(p_health.intent) IS DISTINCT FROM 1 OR NOT p_health.suspect)
    THEN
        -- An outage uses up nobody's attempts; but the one dossier that was on its way
        -- when the database went down is watched: it may be what brings it down.
        UPDATE pyrepl.health h
        SET health = 'ok', phase = 'isolate', batch = v_half, failures = 0, retry_at = NULL,
            suspect = cardinality(h.intent) IS NOT DISTINCT FROM 1,
            intent = CASE WHEN cardinality(h.intent) = 1 THEN h.intent END,
            companions = '{}', sqlstate = NULL, message = NULL, hint = NULL
        WHERE h.database_id = p_health.database_id;
        RETURN;
    END IF;
    IF p_health.sqlstate = 'PR021' AND cardinality(p_health.companions) < 20000
        AND NOT p_health.holders <@ (p_health.companions || p_health.intent)
    THEN
        -- Other copies hold values that are theirs no longer: all of them together.
        UPDATE pyrepl.health h
        SET phase = 'isolate', batch = v_size, companions = h.companions || h.holders
        WHERE h.database_id = p_health.database_id;
        RETURN;
    END IF;
    IF cardinality(p_health.intent) = 1 THEN
        IF p_health.companions <> '{}' AND p_health.sqlstate NOT IN ('PR021', 'PR023') THEN
            -- One of those sent along is at fault: all of them out of the others' way.
            p_health.sqlstate := 'PR021';
            p_health.message := 'sent along with it: ' || p_health.message;
            PERFORM pyrepl.set_companions_aside(p_health, p_writer);
            v_size := (SELECT s.batch FROM pyrepl.settings s);
            v_half := v_size;
            p_health.intent := NULL;
        ELSE
            v_blocked := pyrepl.set_aside(p_health);
        END IF;
    END IF;
    UPDATE pyrepl.health h
    SET phase = 'isolate', batch = v_half, suspect = false, companions = '{}',
        health = CASE WHEN v_blocked THEN 'blocked' ELSE 'ok' END,
        failures = CASE WHEN v_blocked THEN h.failures + 1 ELSE 0 END,
        retry_at = CASE WHEN v_blocked THEN pyrepl.back_off(h.failures) END,
        intent = CASE WHEN v_size > 1 THEN p_health.intent[:v_half] END
    WHERE h.database_id = p_health.database_id;
END
$note_probe$;

COMMENT ON FUNCTION pyrepl.note_probe(pyrepl.health, boolean) IS
    'draws the conclusion from an empty push that succeeded; part of deliver';
REVOKE ALL ON FUNCTION pyrepl.note_probe(pyrepl.health, boolean) FROM PUBLIC;
