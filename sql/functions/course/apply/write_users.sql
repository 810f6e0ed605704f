-- First of three steps of apply: user rows, and which users are copies. Copies that are
-- nobody's any more are erased, members who are missing inserted. (An upsert would check
-- the course's own NOT NULL columns and fire its BEFORE INSERT triggers even where the row
-- is there.) A local account in the way is PR020. Returns of whom there are copies now.
-- Writes: the user table, copy; and what erase writes.
-- Slots: user_columns, user_key, user_key_name, user_new, user_set, user_table,
--   user_table_name
CREATE OR REPLACE FUNCTION pyrepl.write_users(
    p_ids bigint[], p_generations bigint[], p_members boolean[], p_frozen boolean[],
    p_users pyrepl.user_row[], p_careful boolean)
RETURNS bigint[]
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $write_users$
DECLARE
    v_found record;
    v_written bigint;
BEGIN
    SELECT d.* INTO v_found
    FROM pyrepl.compare_users(p_ids, p_generations, p_members, p_frozen, p_users) d;
    IF v_found.erase IS NOT NULL THEN
        PERFORM pyrepl.erase(v_found.erase);
        SELECT d.* INTO v_found
        FROM pyrepl.compare_users(p_ids, p_generations, p_members, p_frozen, p_users) d;
    END IF;
    IF v_found.local IS NOT NULL THEN
        RAISE 'local account in the way: user % of the course is not a copy',
            array_to_string(v_found.local, ', ')
            USING ERRCODE = 'PR020', HINT = format('The id belongs to an account of the '
            'course. Give that account another id there: SELECT pyrepl.move_accounts(%L); '
            'or, if it is the same person, take it over with "pyreplctl course register '
            '--adopt".', v_found.local);
    END IF;

    IF v_found.new_ids IS NOT NULL THEN
        INSERT INTO pyrepl.copy (user_id, generation)
        SELECT n.id, n.generation
        FROM unnest(v_found.new_ids, v_found.new_generations) n(id, generation)
        ON CONFLICT (user_id) DO UPDATE
        SET generation = excluded.generation, erased = false;
    END IF;
    IF p_careful THEN
        PERFORM pyrepl.park({user_table_name}, {user_key_name}, {user_key_name},
            'user', v_found.differing || v_found.missing);
    END IF;
    IF v_found.differing IS NOT NULL THEN
        UPDATE ONLY {user_table} u
        SET {user_set}
        FROM unnest(v_found.differing) n
        CROSS JOIN LATERAL (
            SELECT o.ctid FROM ONLY {user_table} o
            WHERE o.{user_key} = n.{user_key} OFFSET 0) f
        WHERE u.ctid = f.ctid;
        GET DIAGNOSTICS v_written = ROW_COUNT;
        PERFORM pyrepl.require_written('user', {user_table_name},
            {user_key_name}, 'UPDATE', v_written, v_found.differing);
    END IF;
    IF v_found.missing IS NOT NULL THEN
        INSERT INTO {user_table} ({user_columns})
        OVERRIDING SYSTEM VALUE
        SELECT {user_new} FROM unnest(v_found.missing) n;
        GET DIAGNOSTICS v_written = ROW_COUNT;
        PERFORM pyrepl.require_written('user', {user_table_name},
            {user_key_name}, 'INSERT', v_written, v_found.missing);
    END IF;
    RETURN coalesce(v_found.copies, '{{}}');
END
$write_users$;

COMMENT ON FUNCTION pyrepl.write_users(
    bigint[], bigint[], boolean[], boolean[], pyrepl.user_row[], boolean) IS
    'brings the user rows of copies up to date; part of apply';
REVOKE ALL ON FUNCTION pyrepl.write_users(
    bigint[], bigint[], boolean[], boolean[], pyrepl.user_row[], boolean) FROM PUBLIC;
