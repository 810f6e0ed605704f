-- Refuse a push from another portal (PR010), in another contract (PR011, PR012), or that
-- does not follow the last one (PR013: one of the two ends was restored or forked), or that
-- cannot be applied for want of a right (PR015).
-- An immediate push has no tag: it holds on to the chain, so that no push of deliver that
-- hangs in its COMMIT can be overtaken, and does not move it.
-- Returns the users of the last push where the portal does not know of that one: their
-- dossiers here may come from transactions that the portal has lost.
-- Writes: chain. The row is found by value; two pushes at once: one waits or gets 40001.
CREATE OR REPLACE FUNCTION pyrepl.check_push(
    p_portal text, p_contract text, p_prev uuid, p_tag uuid, p_users bigint[])
RETURNS bigint[]
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $check_push$
DECLARE
    v_binding pyrepl.binding;
    v_problem text;
    v_again bigint[] := '{}';
BEGIN
    SELECT b.* INTO v_binding FROM pyrepl.binding b;
    IF v_binding.portal IS DISTINCT FROM p_portal THEN
        RAISE 'this course database belongs to portal %, the push came from portal %',
            v_binding.portal, p_portal USING ERRCODE = 'PR010',
            HINT = 'If the portal has moved on purpose, run '
                '"pyreplctl course refresh --rebind".';
    END IF;
    IF v_binding.fingerprint IS DISTINCT FROM p_contract THEN
        RAISE 'this course database holds another contract than the portal sends in'
            USING ERRCODE = 'PR011', HINT = 'Run "pyreplctl course refresh".';
    END IF;
    v_problem := pyrepl.contract_problem();
    IF v_problem IS NOT NULL THEN
        RAISE '%', v_problem USING ERRCODE = 'PR012',
            HINT = 'Repair the table at the course, or run "pyreplctl course refresh".';
    END IF;
    IF p_users = '{}' THEN  -- a probe: other pushes run into it
        SELECT string_agg(r.wanted || ' on ' || t.table_name, ', ') INTO v_problem
        FROM (SELECT DISTINCT c.table_name FROM pyrepl.contract_column c) t
        CROSS JOIN unnest('{SELECT,INSERT,UPDATE,DELETE}'::text[]) r(wanted)
        WHERE NOT has_table_privilege(format('%I.%I',
            split_part(t.table_name, '.', 1), split_part(t.table_name, '.', 2)), r.wanted);
        IF v_problem IS NOT NULL THEN
            RAISE '% lacks rights at the course: %', current_user, v_problem
                USING ERRCODE = 'PR015', HINT = 'Run "pyreplctl course refresh".';
        END IF;
    END IF;

    IF p_prev IS NULL AND p_tag IS NULL THEN
        RETURN '{}';  -- a question
    ELSIF p_tag IS NULL THEN
        PERFORM FROM pyrepl.chain c WHERE c.tag = p_prev FOR KEY SHARE;
    ELSE
        UPDATE pyrepl.chain c SET tag = p_tag, before = p_prev, users = p_users
        WHERE c.tag = p_prev;
    END IF;
    IF NOT FOUND THEN
        -- The acknowledgement of the last push was lost. Deliver is to find that out.
        SELECT c.users INTO v_again FROM pyrepl.chain c
        WHERE c.before = p_prev AND p_tag IS NOT NULL;
        UPDATE pyrepl.chain c SET tag = p_tag, users = p_users || v_again
        WHERE c.before = p_prev AND p_tag IS NOT NULL;
        IF NOT FOUND THEN
            RAISE 'this push does not follow the last one: portal or course was '
                'restored, cloned or failed over'
                USING ERRCODE = 'PR013',
                HINT = 'Find out which one, then run "pyreplctl course refresh --rebind".';
        END IF;
    END IF;
    RETURN v_again;
END
$check_push$;

COMMENT ON FUNCTION pyrepl.check_push(text, text, uuid, uuid, bigint[]) IS
    'checks portal, contract and chain of a push; part of apply';
REVOKE ALL ON FUNCTION pyrepl.check_push(text, text, uuid, uuid, bigint[]) FROM PUBLIC;
