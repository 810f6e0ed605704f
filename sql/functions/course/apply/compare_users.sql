-- What is to be done about the user rows of a batch, in one look: whom to erase (gone from
-- the portal, or the id has come back as another person), whom to register as copies, which
-- local accounts are in the way, which rows differ by image, which are missing; and of whom
-- there will be copies. The users are looked up one by one (OFFSET 0), whatever the tables
-- were when the plan was made.
-- Slots: same_joined, same_person, user_here, user_key, user_new, user_table
CREATE OR REPLACE FUNCTION pyrepl.compare_users(
    p_ids bigint[], p_generations bigint[], p_members boolean[], p_frozen boolean[],
    p_users pyrepl.user_row[], OUT erase bigint[], OUT new_ids bigint[],
    OUT new_generations bigint[], OUT local bigint[], OUT copies bigint[],
    OUT differing pyrepl.user_row[], OUT missing pyrepl.user_row[])
LANGUAGE plpgsql
STABLE
SET search_path = pg_catalog, pg_temp
AS $compare_users$
BEGIN
    SELECT array_agg(n.pyrepl_id) FILTER (WHERE w.erase),
        array_agg(n.pyrepl_id) FILTER (WHERE w.new),
        array_agg(n.pyrepl_generation) FILTER (WHERE w.new),
        array_agg(n.pyrepl_id)
            FILTER (WHERE n.pyrepl_member AND c.user_id IS NULL AND NOT w.new),
        array_agg(n.pyrepl_id) FILTER (WHERE i.copy),
        array_agg(ROW({user_new})::pyrepl.user_row)
            FILTER (WHERE i.written AND u.{user_key} IS NOT NULL
                AND ROW({user_here})::record *<> ROW({user_new})::record),
        array_agg(ROW({user_new})::pyrepl.user_row)
            FILTER (WHERE i.written AND u.{user_key} IS NULL)
    INTO erase, new_ids, new_generations, local, copies, differing, missing
    FROM unnest(p_ids, p_generations, p_members, p_frozen, p_users)
        n(pyrepl_id, pyrepl_generation, pyrepl_member, pyrepl_frozen)
    LEFT JOIN LATERAL (
        SELECT * FROM pyrepl.copy k WHERE k.user_id = n.pyrepl_id OFFSET 0) c ON true
    LEFT JOIN LATERAL (
        SELECT * FROM ONLY {user_table} o
        WHERE o.{user_key} = n.pyrepl_id OFFSET 0) u ON true
    CROSS JOIN LATERAL (
        SELECT CASE WHEN c.user_id IS NULL THEN false
            WHEN n.{user_key} IS NULL THEN NOT n.pyrepl_frozen AND NOT c.erased
            WHEN c.generation >= n.pyrepl_generation THEN false
            WHEN u.{user_key} IS NULL THEN true
            -- bound anew: no departure tells who was deleted in the lost time
            WHEN c.generation < 0 THEN NOT ({same_joined})
            ELSE NOT ({same_person}) END,
        n.{user_key} IS NOT NULL AND NOT n.pyrepl_frozen AND CASE
            WHEN c.user_id IS NULL THEN n.pyrepl_member AND u.{user_key} IS NULL
            WHEN c.erased THEN n.pyrepl_member
            ELSE c.generation <> n.pyrepl_generation END) w(erase, new)
    CROSS JOIN LATERAL (
        SELECT w.new OR NOT c.erased, (w.new OR NOT c.erased)
            AND n.{user_key} IS NOT NULL AND NOT n.pyrepl_frozen) i(copy, written);
END
$compare_users$;

COMMENT ON FUNCTION pyrepl.compare_users(
    bigint[], bigint[], boolean[], boolean[], pyrepl.user_row[]) IS
    'how user rows differ from those of a batch; part of apply';
REVOKE ALL ON FUNCTION pyrepl.compare_users(
    bigint[], bigint[], boolean[], boolean[], pyrepl.user_row[]) FROM PUBLIC;
