-- Push these users to one database from a writer's transaction, if it has immediate
-- delivery and is well. Returns whether they were delivered; never raises, but when the
-- writer is cancelled. Whatever it raised, the queue finds out why; but where the link
-- itself has failed, no writer tries for a while. Part of deliver_at_commit.
-- It waits for a delivery that is at work, but not for a long one: if it never did, one
-- change that was queued would be delivered while the next is written, which then is
-- queued, too, and so on for as long as anybody writes.
-- Writes: health, outbox, and what send writes.
-- Locks: the database's advisory lock, shared. No lock is waited for longer than 20 ms.
CREATE OR REPLACE FUNCTION pyrepl.push_at_commit(p_database integer, p_users bigint[])
RETURNS boolean
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
SET lock_timeout = '20ms'
AS $push_at_commit$
DECLARE
    v_database pyrepl.database;
    v_health pyrepl.health;
    v_tids tid[];
    v_context text;
BEGIN
    BEGIN
        PERFORM pg_advisory_xact_lock_shared(1887007344, p_database);
        -- Read under the lock: what decides may have changed.
        SELECT d.* INTO v_database FROM pyrepl.database d WHERE d.id = p_database;
        SELECT h.* INTO v_health FROM pyrepl.health h WHERE h.database_id = p_database;
        IF pyrepl.effective_delivery(v_database, v_health) <> 'immediate'
            OR EXISTS (SELECT FROM pyrepl.retry r
                WHERE r.database_id = p_database AND r.user_id = ANY (p_users))
        THEN
            RETURN false;
        END IF;
        IF current_setting('synchronous_commit') IN ('off', 'local') THEN
            PERFORM set_config('synchronous_commit', 'on', true);
        END IF;
        -- What waits for them is delivered, too. It is locked before dossiers are read, as
        -- by claim: what is queued from now on is perhaps not in them.
        v_tids := ARRAY(
            SELECT o.ctid FROM pyrepl.outbox o
            WHERE o.database_id = p_database AND o.priority IN (0, 1)
                AND o.user_id = ANY (p_users)
                AND o.id > pyrepl.outbox_mark_of(p_database, o.priority)
            FOR UPDATE SKIP LOCKED);
        PERFORM pyrepl.send(v_database, p_users, '{}', NULL, true, '{}');
        IF v_tids <> '{}' THEN
            DELETE FROM pyrepl.outbox o WHERE o.ctid = ANY (v_tids);
        END IF;
        RETURN true;
    EXCEPTION WHEN OTHERS OR query_canceled OR assert_failure THEN
        GET STACKED DIAGNOSTICS v_context = PG_EXCEPTION_CONTEXT;
        IF SQLSTATE = '57014' AND NOT pyrepl.from_course(v_context) THEN
            RAISE;
        ELSIF SQLSTATE !~ '^(08|53|57|58|HV|XX)' THEN
            RETURN false;
        END IF;
    END;
    -- One writer says so; the others need not wait for that.
    PERFORM FROM pyrepl.health h WHERE h.database_id = p_database FOR UPDATE SKIP LOCKED;
    IF FOUND THEN
        UPDATE pyrepl.health h SET stalled_at = clock_timestamp()
        WHERE h.database_id = p_database;
    END IF;
    RETURN false;
END
$push_at_commit$;

COMMENT ON FUNCTION pyrepl.push_at_commit(integer, bigint[]) IS
    'delivers users to one database in a writer''s COMMIT; part of deliver_at_commit';
REVOKE ALL ON FUNCTION pyrepl.push_at_commit(integer, bigint[]) FROM PUBLIC;
