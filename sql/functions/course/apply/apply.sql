-- The inbox's INSTEAD OF UPDATE trigger: make this course database hold what dossiers say,
-- for their users and for copies only. Answers with the copies it holds. Errors leave
-- without DETAIL and values: PostgreSQL's would hold the row, and a password.
-- Writes: the three tables, copy, chain. Equal rows are neither locked nor rewritten.
-- Slots: enrollment_user, profile_user, text_formats
CREATE OR REPLACE FUNCTION pyrepl.apply()
RETURNS trigger
LANGUAGE plpgsql
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET row_security = off
SET plan_cache_mode = force_generic_plan
SET enable_seqscan = off
SET enable_hashjoin = off
SET enable_mergejoin = off
SET jit = off
{text_formats}
AS $apply$
DECLARE
    v_users pyrepl.user_row[];
    v_profiles pyrepl.profile_row[];
    v_enrollments pyrepl.enrollment_row[];
    v_held bigint[];
    v_sqlstate text;
    v_message text;
    v_hint text;
    v_detail text := '';
    v_table text;
    v_column text;
    v_constraint text;
    v_context text;
    v_type text;
BEGIN
    NEW.again := pyrepl.check_push(NEW.portal, NEW.contract, NEW.prev, NEW.tag, NEW.ids);
    NEW.copies := '{{}}';
    PERFORM pyrepl.keep_receipts(NEW.settled, NEW.xid, NEW.epoch, NEW.ids);
    IF NEW.ids = '{{}}' THEN RETURN NEW; END IF;
    v_users := NEW.users::pyrepl.user_row[];
    v_profiles := NEW.profiles::pyrepl.profile_row[];
    v_enrollments := NEW.enrollments::pyrepl.enrollment_row[];

    IF NEW.adopt THEN
        PERFORM pyrepl.adopt(NEW.ids, NEW.generations, NEW.members, v_users);
    END IF;
    NEW.copies :=
        pyrepl.write_users(NEW.ids, NEW.generations, NEW.members, NEW.frozen, v_users);
    v_held := NEW.copies;  -- and what is left of erased users
    IF cardinality(NEW.copies) < cardinality(NEW.ids) THEN
        v_held := ARRAY(SELECT i.id FROM unnest(NEW.ids) i(id) CROSS JOIN LATERAL (
            SELECT FROM pyrepl.copy c WHERE c.user_id = i.id OFFSET 0) c);
        v_profiles := ARRAY(
            SELECT n FROM unnest(v_profiles) n CROSS JOIN LATERAL (
                SELECT FROM pyrepl.copy c
                WHERE c.user_id = n.{profile_user} AND NOT c.erased OFFSET 0) c);
        v_enrollments := ARRAY(
            SELECT n FROM unnest(v_enrollments) n CROSS JOIN LATERAL (
                SELECT FROM pyrepl.copy c
                WHERE c.user_id = n.{enrollment_user} AND NOT c.erased OFFSET 0) c);
    END IF;
    PERFORM pyrepl.write_profiles(CASE WHEN true = ANY (NEW.frozen) THEN ARRAY(
        SELECT h.id FROM unnest(v_held) h(id) EXCEPT
        SELECT f.id FROM unnest(NEW.ids, NEW.frozen) f(id, frozen) WHERE f.frozen)
        ELSE v_held END, v_profiles);
    PERFORM pyrepl.write_enrollments(v_held, v_enrollments);
    SET CONSTRAINTS ALL IMMEDIATE;  -- a deferred foreign key is to speak here
    RETURN NEW;
EXCEPTION WHEN OTHERS THEN
    GET STACKED DIAGNOSTICS v_sqlstate = RETURNED_SQLSTATE, v_message = MESSAGE_TEXT,
        v_hint = PG_EXCEPTION_HINT, v_table = TABLE_NAME, v_column = COLUMN_NAME,
        v_constraint = CONSTRAINT_NAME, v_context = PG_EXCEPTION_CONTEXT,
        v_type = PG_DATATYPE_NAME;
    IF v_sqlstate = '23505' THEN
        SELECT h.*, CASE h.sqlstate WHEN '23505' THEN v_context END
        INTO v_sqlstate, v_message, v_hint, v_detail, v_context
        FROM pyrepl.explain_holders(NEW.ids, v_users, v_profiles, v_enrollments,
            v_constraint) h;
    END IF;
    RAISE EXCEPTION USING
        ERRCODE = v_sqlstate,
        MESSAGE = pyrepl.explain_error(
            v_sqlstate, v_message, v_table, v_column, v_constraint, v_context),
        HINT = CASE WHEN v_sqlstate LIKE 'PR%' THEN v_hint ELSE coalesce(pyrepl.remedy(
            v_sqlstate, v_context, v_table, v_column, v_type), '') END, DETAIL = v_detail,
        TABLE = v_table, COLUMN = v_column, CONSTRAINT = v_constraint;
END
$apply$;

COMMENT ON FUNCTION pyrepl.apply() IS
    'applies the dossiers of a push; trigger of the inbox';
REVOKE ALL ON FUNCTION pyrepl.apply() FROM PUBLIC;
