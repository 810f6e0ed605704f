-- Choose and lock what the next batch consists of: the users of an intent, or the head of
-- the queue by (priority, age), every eighth batch backfill first.
-- Returns the users, the addresses of their outbox rows (to be deleted once delivered) and
-- the highest id claimed for each priority. A user whose dossier failed alone before leaves
-- the queue here, to be tried alone and at once. Whom a writer is delivering immediately is
-- left where he is, unless there are no such writers, nor have been ever. Part of deliver.
-- Writes: retry, outbox. Locks: outbox rows.
CREATE OR REPLACE FUNCTION pyrepl.claim(
    p_database integer, p_intent bigint[], p_limit integer,
    OUT users bigint[], OUT tids tid[], OUT last_ids bigint[])
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $claim$
DECLARE
    v_priority integer;
    v_found record;
    v_alone bigint[];
    v_writers boolean := EXISTS (
        SELECT FROM pyrepl.health h WHERE h.settle_at IS NOT NULL);
BEGIN
    users := '{}';
    tids := '{}';
    last_ids := '{0,0}';
    IF p_intent IS NOT NULL THEN
        users := ARRAY(SELECT DISTINCT i.id FROM unnest(p_intent) i(id) ORDER BY 1);
        tids := ARRAY(
            SELECT o.ctid FROM pyrepl.outbox o
            WHERE o.database_id = p_database AND o.priority IN (0, 1)
                AND o.user_id = ANY (p_intent)
                AND o.id > pyrepl.outbox_mark_of(p_database, o.priority)
            FOR UPDATE SKIP LOCKED);
        RETURN;
    END IF;

    FOREACH v_priority IN ARRAY CASE WHEN random() < 0.125 THEN '{1,0}'::integer[]
        ELSE '{0,1}' END
    LOOP
        SELECT array_agg(c.ctid) AS tids, array_agg(c.user_id) AS users,
            coalesce(max(c.id), 0) AS last_id INTO v_found
        FROM (
            SELECT o.ctid, o.user_id, o.id FROM pyrepl.outbox o
            WHERE o.database_id = p_database AND o.priority = v_priority
                AND o.id > 0 AND o.id > pyrepl.outbox_mark_of(p_database, v_priority)
                AND (NOT v_writers
                    OR pyrepl.users_locked_by_writers(ARRAY[o.user_id]) = '{}')
            ORDER BY o.id LIMIT p_limit - cardinality(users)
            FOR UPDATE SKIP LOCKED) c;
        users := users || v_found.users;
        tids := tids || v_found.tids;
        last_ids[v_priority + 1] := v_found.last_id;
    END LOOP;

    IF EXISTS (SELECT FROM pyrepl.retry r WHERE r.database_id = p_database) THEN
        WITH alone AS (
            UPDATE pyrepl.retry r SET due_at = clock_timestamp()
            WHERE r.database_id = p_database AND r.user_id = ANY (users)
            RETURNING r.user_id)
        SELECT array_agg(a.user_id) INTO v_alone FROM alone a;
        DELETE FROM pyrepl.outbox o WHERE o.ctid = ANY (tids) AND o.user_id = ANY (v_alone);
    END IF;
    -- A pair is queued twice where it was being delivered, or waited at a lower priority.
    -- In order of ids: pages and index leaves of both ends are met once.
    users := ARRAY(SELECT u.id FROM unnest(users) u(id)
        EXCEPT SELECT a.id FROM unnest(v_alone) a(id) ORDER BY 1);
END
$claim$;

COMMENT ON FUNCTION pyrepl.claim(integer, bigint[], integer) IS
    'locks the outbox rows of the next batch; part of deliver';
REVOKE ALL ON FUNCTION pyrepl.claim(integer, bigint[], integer) FROM PUBLIC;
