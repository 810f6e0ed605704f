-- First step of apply: take away what the dossiers do not hold. Users that the portal has
-- no more, and those whose id has come back as another person, are erased; enrollments and
-- profiles that are not in the dossier go. Copies only; of a frozen one only enrollments.
-- Writes: the three tables, copy.
CREATE OR REPLACE FUNCTION pyrepl.remove_leftovers(
    p_ids bigint[], p_generations bigint[], p_frozen boolean[],
    p_users pyrepl.user_row[], p_profiles pyrepl.profile_row[],
    p_enrollments pyrepl.enrollment_row[])
RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $remove_leftovers$
DECLARE
    v_erase bigint[];
    v_rows bigint[];
BEGIN
    v_erase := ARRAY(
        SELECT c.user_id
        FROM unnest(p_ids, p_generations, p_frozen, p_users)
            n(pyrepl_id, pyrepl_generation, pyrepl_frozen)
        JOIN pyrepl.copy c ON c.user_id = n.pyrepl_id
        WHERE n.{user_key} IS NULL AND NOT n.pyrepl_frozen AND NOT c.erased
            OR n.{user_key} IS NOT NULL AND c.generation < n.pyrepl_generation
            AND NOT EXISTS (
                SELECT FROM {user_table} u
                WHERE u.{user_key} = c.user_id AND CASE
                    -- bound anew: no departure tells who was deleted in the lost time
                    WHEN c.generation < 0 THEN {same_joined} ELSE {same_person} END));
    IF v_erase <> '{{}}' THEN
        PERFORM pyrepl.erase(v_erase);
    END IF;

    v_rows := ARRAY(
        SELECT k.id FROM (
            SELECT e.{enrollment_key} AS id, e.{enrollment_user} AS user_id
            FROM unnest(p_ids) i(id)
            JOIN pyrepl.copy c ON c.user_id = i.id
            JOIN {enrollment_table} e ON e.{enrollment_user} = c.user_id
            EXCEPT
            SELECT n.{enrollment_key}, n.{enrollment_user} FROM unnest(p_enrollments) n) k);
    IF v_rows <> '{{}}' THEN
        DELETE FROM {enrollment_table} e WHERE e.{enrollment_key} = ANY (v_rows);
    END IF;

    v_rows := ARRAY(
        SELECT k.id FROM (
            SELECT p.{profile_key} AS id, p.{profile_user} AS user_id
            FROM unnest(p_ids, p_frozen) i(id, frozen)
            JOIN pyrepl.copy c ON c.user_id = i.id
            JOIN {profile_table} p ON p.{profile_user} = c.user_id
            WHERE NOT i.frozen
            EXCEPT
            SELECT n.{profile_key}, n.{profile_user} FROM unnest(p_profiles) n) k);
    IF v_rows <> '{{}}' THEN
        DELETE FROM {profile_table} p WHERE p.{profile_key} = ANY (v_rows);
    END IF;
END
$remove_leftovers$;

COMMENT ON FUNCTION pyrepl.remove_leftovers(bigint[], bigint[], boolean[],
    pyrepl.user_row[], pyrepl.profile_row[], pyrepl.enrollment_row[]) IS
    'removes from copies what their dossiers do not hold; part of apply';
REVOKE ALL ON FUNCTION pyrepl.remove_leftovers(bigint[], bigint[], boolean[],
    pyrepl.user_row[], pyrepl.profile_row[], pyrepl.enrollment_row[]) FROM PUBLIC;
