-- Third step of apply: user rows. Copies are updated where an agreed column differs by
-- image; members who are missing are inserted. (An upsert would check the course's own
-- NOT NULL columns and fire its BEFORE INSERT triggers even where the row is there.)
-- A local account in the way is PR020. Writes: the user table, copy.
CREATE OR REPLACE FUNCTION pyrepl.write_users(
    p_ids bigint[], p_generations bigint[], p_members boolean[],
    p_users pyrepl.user_row[])
RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $write_users$
DECLARE
    v_local bigint[];
BEGIN
    INSERT INTO pyrepl.copy AS c (user_id, generation)
    SELECT n.pyrepl_id, n.pyrepl_generation
    FROM unnest(p_ids, p_generations, p_members, p_users)
        n(pyrepl_id, pyrepl_generation, pyrepl_member)
    LEFT JOIN pyrepl.copy k ON k.user_id = n.pyrepl_id
    WHERE n.{user_key} IS NOT NULL AND CASE
        WHEN k.user_id IS NULL THEN n.pyrepl_member AND NOT EXISTS (
            SELECT FROM {user_table} u WHERE u.{user_key} = n.pyrepl_id)
        WHEN k.erased THEN n.pyrepl_member
        ELSE k.generation <> n.pyrepl_generation END
    ON CONFLICT (user_id) DO UPDATE
    SET generation = excluded.generation, erased = false;

    v_local := ARRAY(
        SELECT i.id FROM unnest(p_ids, p_members) i(id, member)
        WHERE i.member AND NOT EXISTS (SELECT FROM pyrepl.copy c WHERE c.user_id = i.id));
    IF v_local <> '{{}}' THEN
        RAISE 'local account in the way: user % of the course is not a copy',
            array_to_string(v_local, ', ')
            USING ERRCODE = 'PR020', HINT = 'The id belongs to an account of the course. '
            'Give that account another id, or, if it is the same person, take it over with '
            '"pyreplctl course register --adopt".';
    END IF;

    UPDATE {user_table} u
    SET {user_set}
    FROM unnest(p_ids, p_users) n(pyrepl_id)
    JOIN pyrepl.copy c ON c.user_id = n.pyrepl_id AND NOT c.erased
    WHERE u.{user_key} = n.{user_key}
        AND ROW({user_here})::record *<> ROW({user_new})::record;

    INSERT INTO {user_table} ({user_columns})
    OVERRIDING SYSTEM VALUE
    SELECT {user_new}
    FROM unnest(p_ids, p_users) n(pyrepl_id)
    JOIN pyrepl.copy c ON c.user_id = n.{user_key} AND NOT c.erased
    WHERE NOT EXISTS (SELECT FROM {user_table} u WHERE u.{user_key} = n.{user_key});
END
$write_users$;

COMMENT ON FUNCTION pyrepl.write_users(
    bigint[], bigint[], boolean[], pyrepl.user_row[]) IS
    'brings the user rows of copies up to date; part of apply';
REVOKE ALL ON FUNCTION pyrepl.write_users(
    bigint[], bigint[], boolean[], pyrepl.user_row[]) FROM PUBLIC;
