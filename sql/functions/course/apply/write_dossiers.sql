-- The steps of apply that write: users, profiles, enrollments. p_careful: a unique value
-- was in the way, so who holds what is looked up before each. Returns of whom there are
-- copies now. Writes: the three tables, copy.
-- Slots: enrollment_user, profile_user
CREATE OR REPLACE FUNCTION pyrepl.write_dossiers(
    p_ids bigint[], p_generations bigint[], p_members boolean[], p_frozen boolean[],
    p_users pyrepl.user_row[], p_profiles pyrepl.profile_row[],
    p_enrollments pyrepl.enrollment_row[], p_careful boolean)
RETURNS bigint[]
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $write_dossiers$
DECLARE
    v_copies bigint[] := pyrepl.write_users(
        p_ids, p_generations, p_members, p_frozen, p_users, p_careful);
    v_held bigint[] := v_copies;  -- and what is left of erased users
BEGIN
    IF cardinality(v_copies) < cardinality(p_ids) THEN
        v_held := ARRAY(
            SELECT i.id FROM unnest(p_ids) i(id) CROSS JOIN LATERAL (
                SELECT FROM pyrepl.copy c WHERE c.user_id = i.id OFFSET 0) c);
        p_profiles := ARRAY(
            SELECT n FROM unnest(p_profiles) n CROSS JOIN LATERAL (
                SELECT FROM pyrepl.copy c
                WHERE c.user_id = n.{profile_user} AND NOT c.erased OFFSET 0) c);
        p_enrollments := ARRAY(
            SELECT n FROM unnest(p_enrollments) n CROSS JOIN LATERAL (
                SELECT FROM pyrepl.copy c
                WHERE c.user_id = n.{enrollment_user} AND NOT c.erased OFFSET 0) c);
    END IF;
    PERFORM pyrepl.write_profiles(CASE WHEN true = ANY (p_frozen) THEN ARRAY(
        SELECT h.id FROM unnest(v_held) h(id) EXCEPT
        SELECT f.id FROM unnest(p_ids, p_frozen) f(id, frozen) WHERE f.frozen)
        ELSE v_held END, p_profiles, p_careful);
    PERFORM pyrepl.write_enrollments(v_held, p_enrollments, p_careful);
    SET CONSTRAINTS ALL IMMEDIATE;  -- a deferred foreign key is to speak here
    RETURN v_copies;
END
$write_dossiers$;

COMMENT ON FUNCTION pyrepl.write_dossiers(
    bigint[], bigint[], boolean[], boolean[], pyrepl.user_row[], pyrepl.profile_row[],
    pyrepl.enrollment_row[], boolean) IS
    'writes users, profiles and enrollments of a push; part of apply';
REVOKE ALL ON FUNCTION pyrepl.write_dossiers(
    bigint[], bigint[], boolean[], boolean[], pyrepl.user_row[], pyrepl.profile_row[],
    pyrepl.enrollment_row[], boolean) FROM PUBLIC;
