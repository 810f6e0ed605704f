-- Push the dossiers of these users (none: an empty push) and note what the course answers.
-- Every push names the tag that was acknowledged last and a new one. Part of deliver.
-- Writes: placement, chain. Remote: one UPDATE of the inbox.
CREATE OR REPLACE FUNCTION pyrepl.send(p_database pyrepl.database, p_users bigint[])
RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $send$
DECLARE
    v_last pyrepl.chain;
    v_tag uuid := gen_random_uuid();
    v_copies bigint[];
BEGIN
    SELECT c.* INTO v_last FROM pyrepl.chain c
    WHERE c.database_id = p_database.id ORDER BY c.id DESC LIMIT 1;
    EXECUTE format('SELECT pyrepl.push_%s($1, $2, $3, $4)', p_database.id)
        INTO v_copies USING p_users, v_last.tag, v_tag, p_database.adopt;

    IF v_copies IS NULL THEN
        RAISE 'the inbox did not answer: its trigger does not fire'
            USING ERRCODE = 'PR014', HINT = 'At the course, session_replication_role must '
            'be origin, and pyrepl_apply on pyrepl.inbox enabled.';
    END IF;

    INSERT INTO pyrepl.chain (database_id, tag) VALUES (p_database.id, v_tag);
    DELETE FROM pyrepl.chain c WHERE c.database_id = p_database.id AND c.id = v_last.id;
    INSERT INTO pyrepl.placement (user_id, database_id)
    SELECT c.id, p_database.id FROM unnest(v_copies) c(id)
    ON CONFLICT DO NOTHING;
    IF cardinality(v_copies) < cardinality(p_users) THEN
        DELETE FROM pyrepl.placement p
        WHERE p.database_id = p_database.id AND p.user_id IN (
            SELECT u.id FROM unnest(p_users) u(id)
            EXCEPT SELECT c.id FROM unnest(v_copies) c(id));
    END IF;
END
$send$;

COMMENT ON FUNCTION pyrepl.send(pyrepl.database, bigint[]) IS
    'pushes dossiers to a course database and records its copies; part of deliver';
REVOKE ALL ON FUNCTION pyrepl.send(pyrepl.database, bigint[]) FROM PUBLIC;
