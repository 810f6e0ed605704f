-- Push the dossiers of these users (none: an empty push) and note what the course answers.
-- A push of deliver names the tag that was acknowledged last and a new one. One from a
-- writer's transaction leaves a receipt, as it may turn out never to have happened; without
-- p_tag it leaves the chain as it is. Part of deliver and deliver_at_commit.
-- Copies count of those alone of whom the course was told, as the persons whom it was told
-- of: an id that comes back is another's. PR016 where it names more users
-- than a push can have. Writes: placement, chain, change, health. Remote: one UPDATE.
CREATE OR REPLACE FUNCTION pyrepl.send(
    p_database pyrepl.database, p_users bigint[], p_thaw bigint[], p_tag uuid,
    p_writer boolean, p_settled bigint[])
RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $send$
DECLARE
    v_last pyrepl.chain;
    v_copies bigint[];
    v_again bigint[];
    v_known bigint[];
    v_placed bigint[];
BEGIN
    SELECT c.* INTO v_last FROM pyrepl.chain c
    WHERE c.database_id = p_database.id ORDER BY c.id DESC LIMIT 1;
    EXECUTE format('SELECT p.* FROM pyrepl.push_%s%s($1, $2, $3, $4, $5, $6, $7) p',
            p_database.id, CASE WHEN p_writer THEN '_immediate' END)
        INTO v_copies, v_again, v_known, v_placed
        USING p_users, p_thaw, v_last.tag, p_tag,
            CASE WHEN p_writer THEN pyrepl.current_epoch() END, p_settled, p_database.adopt;

    IF v_copies IS NULL THEN
        RAISE 'the inbox did not answer: its trigger does not fire'
            USING ERRCODE = 'PR014', HINT = 'At the course, session_replication_role must '
            'be origin, and pyrepl_apply on pyrepl.inbox enabled.';
    ELSIF greatest(cardinality(v_copies), cardinality(v_again)) > 200000 THEN
        RAISE 'the inbox answers with more users than a push can have'
            USING ERRCODE = 'PR016', HINT = 'See which triggers pyrepl.inbox has at the '
            'course, then run "pyreplctl course refresh".';
    ELSIF v_copies <> v_known THEN
        v_copies := ARRAY(
            SELECT c.id FROM unnest(v_copies) c(id)
            INTERSECT SELECT k.id FROM unnest(v_known) k(id) ORDER BY 1);
    END IF;

    IF p_tag IS NOT NULL THEN
        WITH new AS (
            INSERT INTO pyrepl.chain (database_id, tag) VALUES (p_database.id, p_tag))
        DELETE FROM pyrepl.chain c WHERE c.database_id = p_database.id AND c.id = v_last.id;
    END IF;
    IF v_again <> '{}' AND p_tag IS NOT NULL THEN
        PERFORM pyrepl.send_again(p_database.id, v_again);
    END IF;
    INSERT INTO pyrepl.placement AS p (user_id, database_id, generation)
    SELECT k.id, p_database.id, k.generation
    FROM unnest(v_known, v_placed) k(id, generation)
    JOIN unnest(v_copies) c(id) ON c.id = k.id
    WHERE NOT EXISTS (
        SELECT FROM pyrepl.placement h WHERE h.user_id = k.id
            AND h.database_id = p_database.id AND h.generation >= k.generation OFFSET 0)
    ON CONFLICT (user_id, database_id) DO UPDATE
    SET generation = greatest(p.generation, excluded.generation);
    IF cardinality(v_copies) < cardinality(p_users) THEN
        DELETE FROM pyrepl.placement p
        WHERE p.database_id = p_database.id AND p.user_id IN (
            SELECT u.id FROM unnest(p_users) u(id)
            EXCEPT SELECT c.id FROM unnest(v_copies) c(id));
    END IF;
END
$send$;

COMMENT ON FUNCTION pyrepl.send(
    pyrepl.database, bigint[], bigint[], uuid, boolean, bigint[]) IS
    'pushes dossiers to a course database and records its copies; part of deliver';
REVOKE ALL ON FUNCTION pyrepl.send(
    pyrepl.database, bigint[], bigint[], uuid, boolean, bigint[]) FROM PUBLIC;
