-- Take over local accounts that have the id and the user name of a member, where the
-- portal says so. The first step of apply: what the dossiers do not hold goes from adopted
-- accounts too, a profile under another id for one. Writes: copy.
-- Slots: same_name, user_key, user_table
CREATE OR REPLACE FUNCTION pyrepl.adopt(
    p_ids bigint[], p_generations bigint[], p_members boolean[],
    p_users pyrepl.user_row[])
RETURNS void
LANGUAGE sql
SET search_path = pg_catalog, pg_temp
AS $adopt$
    INSERT INTO pyrepl.copy (user_id, generation, adopted)
    SELECT n.pyrepl_id, n.pyrepl_generation, true
    FROM unnest(p_ids, p_generations, p_members, p_users)
        n(pyrepl_id, pyrepl_generation, pyrepl_member)
    JOIN ONLY {user_table} u ON u.{user_key} = n.{user_key}
    WHERE n.pyrepl_member AND {same_name}
    ON CONFLICT (user_id) DO NOTHING;
$adopt$;

COMMENT ON FUNCTION pyrepl.adopt(
    bigint[], bigint[], boolean[], pyrepl.user_row[]) IS
    'registers local accounts of members as copies; part of apply';
REVOKE ALL ON FUNCTION pyrepl.adopt(
    bigint[], bigint[], boolean[], pyrepl.user_row[]) FROM PUBLIC;
