-- Write the dossiers of these users to the inbox of one course database: one direct foreign
-- UPDATE. They are read before, in one statement of their own, with other rights. With an
-- epoch it leaves a receipt; p_thaw are users that no policy freezes this time. Returns of
-- whom the course holds a copy, whom to send again, whom known to it, and as which person.
-- Raises PR012.
-- Slots: database, dossiers, fingerprint, inbox, push
CREATE OR REPLACE FUNCTION pyrepl.{push}(
    p_users bigint[], p_thaw bigint[], p_prev uuid, p_tag uuid, p_epoch uuid,
    p_settled bigint[], p_adopt boolean, OUT copies bigint[], OUT again bigint[],
    OUT known bigint[], OUT placed bigint[])
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
SET plan_cache_mode = force_generic_plan
AS $push$
DECLARE
    v_portal text := pyrepl.identity();
    v_contract text := {fingerprint};
    v_xid xid8 := CASE WHEN p_epoch IS NOT NULL THEN pg_current_xact_id() END;
    v_dossiers record;
BEGIN
    SELECT d.* INTO v_dossiers FROM pyrepl.{dossiers}(p_users, p_thaw) d;
    IF v_dossiers.problem IS NOT NULL THEN
        PERFORM pyrepl.require_contract({database});
        RAISE '%', v_dossiers.problem[2] USING ERRCODE = v_dossiers.problem[1];
    END IF;

    UPDATE pyrepl.{inbox} AS told_by_course  -- see from_course
    SET portal = v_portal, contract = v_contract, prev = p_prev, tag = p_tag,
        epoch = p_epoch, settled = p_settled, adopt = p_adopt, xid = v_xid,
        ids = v_dossiers.ids, generations = v_dossiers.generations,
        members = v_dossiers.members, frozen = v_dossiers.frozen,
        users = v_dossiers.users, profiles = v_dossiers.profiles,
        enrollments = v_dossiers.enrollments
    RETURNING told_by_course.copies, told_by_course.again INTO copies, again;
    known := v_dossiers.known;
    placed := v_dossiers.placed;
END
$push$;

COMMENT ON FUNCTION pyrepl.{push}(
    bigint[], bigint[], uuid, uuid, uuid, bigint[], boolean) IS
    'sends dossiers to one course database in its contract; part of deliver';
REVOKE ALL ON FUNCTION pyrepl.{push}(
    bigint[], bigint[], uuid, uuid, uuid, bigint[], boolean) FROM PUBLIC;
