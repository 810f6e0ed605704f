-- What follows a batch that went through: batches grow again, marks move on, a database
-- with no backfill left is active. Part of deliver.
-- Writes: health, retry, outbox_mark, database; once a second at most when all is well.
CREATE OR REPLACE FUNCTION pyrepl.note_success(
    p_database pyrepl.database, p_health pyrepl.health, p_last_ids bigint[])
RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $note_success$
DECLARE
    v_limit integer;
BEGIN
    IF p_health.intent IS NOT NULL THEN
        v_limit := (SELECT s.batch FROM pyrepl.settings s);
        DELETE FROM pyrepl.retry r
        WHERE r.database_id = p_database.id
            AND r.user_id = ANY (p_health.intent || p_health.companions);
        UPDATE pyrepl.health h
        SET intent = NULL, companions = '{}', holders = '{}', suspect = false,
            health = 'ok', failures = 0, last_delivered_at = clock_timestamp(),
            sqlstate = NULL, message = NULL, hint = NULL,
            batch = CASE WHEN h.batch * 2 < v_limit THEN h.batch * 2 END,
            phase = CASE WHEN h.batch * 2 < v_limit THEN h.phase ELSE 'normal' END
        WHERE h.database_id = p_database.id;
        IF p_health.health = 'blocked' THEN
            UPDATE pyrepl.retry r SET due_at = clock_timestamp()
            WHERE r.database_id = p_database.id AND r.due_at IS NOT NULL;
        END IF;
    ELSIF p_last_ids <> '{0,0}' AND (p_health.health <> 'ok'
        OR coalesce(p_health.last_delivered_at, '-infinity')
            NOT BETWEEN clock_timestamp() - interval '1 s' AND clock_timestamp())
    THEN
        UPDATE pyrepl.health h SET last_delivered_at = clock_timestamp(), health = 'ok'
        WHERE h.database_id = p_database.id;
    END IF;

    -- A mark never passes a visible row: what another session holds locked stays behind it.
    -- It moves once a second, or when polls would read more than a thousand dead rows.
    INSERT INTO pyrepl.outbox_mark AS m (database_id, priority, identity, id, saved_at)
    SELECT p_database.id, l.ordinality - 1, pyrepl.identity(),
        coalesce((
            SELECT o.id - 1 FROM pyrepl.outbox o
            WHERE o.database_id = p_database.id AND o.priority = l.ordinality - 1
                AND o.id > 0
                AND o.id > pyrepl.outbox_mark_of(p_database.id, (l.ordinality - 1)::integer)
            ORDER BY o.id LIMIT 1), l.id), clock_timestamp()
    FROM unnest(p_last_ids) WITH ORDINALITY l(id, ordinality)
    WHERE l.id > 0 AND NOT EXISTS (
        SELECT FROM pyrepl.outbox_mark r
        WHERE r.database_id = p_database.id AND r.priority = l.ordinality - 1
            AND r.identity = pyrepl.identity() AND r.id > l.id - 1000
            AND r.saved_at
                BETWEEN clock_timestamp() - interval '1 s' AND clock_timestamp())
    ON CONFLICT (database_id, priority) DO UPDATE
    SET identity = excluded.identity, id = excluded.id, saved_at = excluded.saved_at;

    IF p_database.state = 'backfilling' AND NOT EXISTS (
            SELECT FROM pyrepl.outbox o
            WHERE o.database_id = p_database.id AND o.priority IN (0, 1)
                AND o.id > 0 AND o.id > pyrepl.outbox_mark_of(p_database.id, o.priority))
        AND NOT EXISTS (
            SELECT FROM pyrepl.change c WHERE c.database_id = p_database.id)
        AND NOT EXISTS (
            SELECT FROM pyrepl.retry r
            WHERE r.database_id = p_database.id AND r.due_at IS NOT NULL)
    THEN
        UPDATE pyrepl.database d SET state = 'active', adopt = false
        WHERE d.id = p_database.id AND d.state = 'backfilling';
    END IF;
END
$note_success$;

COMMENT ON FUNCTION pyrepl.note_success(pyrepl.database, pyrepl.health, bigint[]) IS
    'moves health, marks and state on after a batch; part of deliver';
REVOKE ALL ON FUNCTION pyrepl.note_success(pyrepl.database, pyrepl.health, bigint[])
    FROM PUBLIC;
