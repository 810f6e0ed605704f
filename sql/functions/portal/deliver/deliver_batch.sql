-- What deliver does once it has the database's lock; where no clock runs, an immediate
-- delivery does it after its own (p_writer), over the link that writers have.
-- Returns an outcome and the number of users sent: delivered, idle (nothing waits), probed
-- (empty push went through), isolating (a batch was recorded, call again), busy (others
-- are delivering or routing what waits), waiting (backing off), paused.
-- Writes: outbox, placement, retry, chain, health, outbox_mark, database, change.
-- Locks: claimed outbox rows.
CREATE OR REPLACE FUNCTION pyrepl.deliver_batch(
    p_database integer, p_limit integer, p_writer boolean,
    OUT outcome text, OUT users integer)
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $deliver_batch$
DECLARE
    v_database pyrepl.database;
    v_health pyrepl.health;
    v_claim record;
    v_settled bigint[];
BEGIN
    users := 0;
    SELECT d.* INTO v_database FROM pyrepl.database d WHERE d.id = p_database;
    SELECT h.* INTO v_health FROM pyrepl.health h WHERE h.database_id = p_database;
    IF v_database.state IS NULL OR v_database.state IN ('paused', 'removing') THEN
        outcome := 'paused';
        RETURN;
    END IF;
    IF v_health.serving IS NOT NULL AND NOT EXISTS (
        SELECT FROM pg_stat_activity a WHERE a.pid = v_health.serving)
    THEN
        -- A pyrepl.serve died with its connection to this database: that is a failure.
        PERFORM pyrepl.note_failure(
            v_health, '08006', 'the connection was lost during a delivery', NULL, NULL,
            NULL);
        outcome := 'isolating';
        RETURN;
    END IF;
    IF NOT pyrepl.is_due(v_health.retry_at) THEN
        outcome := 'waiting';
        RETURN;
    END IF;
    IF v_health.phase = 'probe' THEN
        PERFORM pyrepl.send(v_database, '{}', '{}', gen_random_uuid(), p_writer, '{}');
        PERFORM pyrepl.note_probe(v_health, p_writer);
        outcome := 'probed';
        RETURN;
    END IF;
    IF v_health.intent IS NULL AND pyrepl.form_intent(v_health) THEN
        outcome := 'isolating';
        RETURN;
    END IF;

    IF v_health.intent IS NOT NULL THEN
        v_health.intent := pyrepl.free_intent(v_health);
        IF v_health.intent IS NULL THEN
            outcome := 'busy';
            RETURN;
        END IF;
        IF v_health.companions <> '{}' THEN
            v_health.companions := pyrepl.bring_along(v_health, p_writer);
        END IF;
    END IF;
    v_settled := pyrepl.settle(v_health, p_writer);
    SELECT c.* INTO v_claim FROM pyrepl.claim(p_database,
        CASE WHEN v_health.intent IS NOT NULL
            THEN v_health.intent || v_health.companions END, p_limit) c;
    IF v_claim.users <> '{}' OR v_settled <> '{}' THEN
        PERFORM pyrepl.send(v_database, v_claim.users, v_health.companions,
            gen_random_uuid(), p_writer, coalesce(v_settled, '{}'));
    END IF;
    DELETE FROM pyrepl.outbox o WHERE o.ctid = ANY (v_claim.tids);
    PERFORM pyrepl.note_success(v_database, v_health, v_claim.last_ids);
    users := cardinality(v_claim.users);
    outcome := CASE WHEN users > 0 THEN 'delivered'
        WHEN EXISTS (SELECT FROM pyrepl.outbox o
            WHERE o.database_id = p_database AND o.priority IN (0, 1)
                AND o.id > 0 AND o.id > pyrepl.outbox_mark_of(p_database, o.priority))
            THEN 'busy'
        WHEN EXISTS (SELECT FROM pyrepl.retry r
            WHERE r.database_id = p_database AND pyrepl.is_due(r.due_at))
            THEN 'isolating'
        ELSE 'idle' END;
END
$deliver_batch$;

COMMENT ON FUNCTION pyrepl.deliver_batch(integer, integer, boolean) IS
    'delivers one batch to a course database whose lock is held; part of deliver';
REVOKE ALL ON FUNCTION pyrepl.deliver_batch(integer, integer, boolean) FROM PUBLIC;
