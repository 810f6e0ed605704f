-- The inbox's INSTEAD OF UPDATE trigger: make this course database hold what the dossiers
-- say, for the users they are about and for copies only. Answers with the copies it holds.
-- Without prev it is a question, and nothing is written: who holds what these users take
-- (copies: the takers, again: the holders), or with adopt whether they could be erased.
-- Errors leave without values: PostgreSQL's DETAIL would hold the row, and a password.
-- Writes: the three tables, copy, chain. Equal rows are neither locked nor rewritten.
-- Slots: text_formats
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
    v_careful boolean;
    v_sqlstate text;
    v_message text;
    v_hint text;
    v_detail text;
    v_table text;
    v_column text;
    v_constraint text;
    v_context text;
    v_type text;
BEGIN
    NEW.again := pyrepl.check_push(NEW.portal, NEW.contract, NEW.prev, NEW.tag, NEW.ids);
    NEW.copies := '{{}}';
    PERFORM pyrepl.keep_receipts(NEW.settled, NEW.xid, NEW.epoch, NEW.ids);
    IF NEW.ids = '{{}}' THEN
        RETURN NEW;
    END IF;
    -- Once more where a unique value was in the way: only then is it looked up whose.
    FOREACH v_careful IN ARRAY '{{false,true}}'::boolean[] LOOP
    BEGIN
        v_users := NEW.users::pyrepl.user_row[];
        v_profiles := NEW.profiles::pyrepl.profile_row[];
        v_enrollments := NEW.enrollments::pyrepl.enrollment_row[];

        IF NEW.prev IS NULL AND NEW.adopt THEN
            PERFORM pyrepl.rehearse_erasure(NEW.ids);
            RETURN NEW;
        ELSIF NEW.prev IS NULL THEN
            SELECT h.takers, h.holders INTO NEW.copies, NEW.again
            FROM pyrepl.holders_of(v_users, v_profiles, v_enrollments) h;
            RETURN NEW;
        END IF;
        IF NEW.adopt THEN
            PERFORM pyrepl.adopt(NEW.ids, NEW.generations, NEW.members, v_users);
        END IF;
        NEW.copies := pyrepl.write_dossiers(NEW.ids, NEW.generations, NEW.members,
            NEW.frozen, v_users, v_profiles, v_enrollments, v_careful);
        RETURN NEW;
    EXCEPTION WHEN OTHERS THEN
        CONTINUE WHEN SQLSTATE IN ('23505', '23P01') AND NOT v_careful;
        GET STACKED DIAGNOSTICS v_sqlstate = RETURNED_SQLSTATE, v_message = MESSAGE_TEXT,
            v_hint = PG_EXCEPTION_HINT, v_detail = PG_EXCEPTION_DETAIL,
            v_table = TABLE_NAME, v_column = COLUMN_NAME,
            v_constraint = CONSTRAINT_NAME, v_context = PG_EXCEPTION_CONTEXT,
            v_type = PG_DATATYPE_NAME;
        RAISE EXCEPTION USING
            ERRCODE = v_sqlstate,
            MESSAGE = pyrepl.explain_error(
                v_sqlstate, v_message, v_table, v_column, v_constraint, v_context),
            HINT = CASE WHEN v_sqlstate LIKE 'PR%' THEN v_hint ELSE coalesce(pyrepl.remedy(
                v_sqlstate, v_context, v_table, v_column, v_type), '') END,
            DETAIL = CASE WHEN v_sqlstate = 'PR021' AND v_detail ~ '^{{[0-9,-]+}}$'
                THEN v_detail ELSE '' END,
            TABLE = v_table, COLUMN = v_column, CONSTRAINT = v_constraint;
    END;
    END LOOP;
END
$apply$;

COMMENT ON FUNCTION pyrepl.apply() IS
    'applies the dossiers of a push; trigger of the inbox';
REVOKE ALL ON FUNCTION pyrepl.apply() FROM PUBLIC;
