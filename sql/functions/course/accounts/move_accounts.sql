-- Give local accounts other ids, far from those that sequences reach, where members of the
-- portal have theirs. What refers to them moves along, in one statement: no foreign key
-- minds. For whoever administers the course, with his rights. Returns the new ids.
-- Writes: the user table, and the tables that refer to it.
-- Slots: enrollment_table_name, enrollment_user_name, profile_table_name,
--   profile_user_name, user_key, user_key_name, user_table, user_table_name
CREATE OR REPLACE FUNCTION pyrepl.move_accounts(p_users bigint[])
RETURNS bigint[]
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $move_accounts$
DECLARE
    v_user bigint;
    v_new bigint;
    v_statement text;
    v_moved bigint[] := '{{}}';
BEGIN
    SELECT 'WITH ' || string_agg(format('m%s AS (UPDATE %s SET %s WHERE %s)', n.number,
            n.relation, n.assignments, n.condition), ', ' ORDER BY n.number)
            FILTER (WHERE n.relation <> {user_table_name}::regclass)
        || ' ' || string_agg(format('UPDATE %s SET %s WHERE %s', n.relation, n.assignments,
            n.condition), '') FILTER (WHERE n.relation = {user_table_name}::regclass)
    INTO v_statement
    FROM (
        SELECT r.relation, row_number() OVER (ORDER BY r.relation) AS number,
            string_agg(format('%1$I = CASE WHEN %1$I = $1 THEN $2 ELSE %1$I END', r.name),
                ', ') AS assignments,
            string_agg(format('%I = $1', r.name), ' OR ') AS condition
        FROM (
            SELECT c.conrelid::regclass AS relation, a.attname AS name
            FROM pg_constraint c
            JOIN pg_attribute a ON a.attrelid = c.conrelid AND a.attnum = c.conkey[1]
            WHERE c.contype = 'f' AND c.confrelid = {user_table_name}::regclass
                AND cardinality(c.conkey) = 1 AND c.confkey[1] = (
                    SELECT k.attnum FROM pg_attribute k
                    WHERE k.attrelid = c.confrelid AND k.attname = {user_key_name})
            UNION SELECT {user_table_name}::regclass, {user_key_name}
            UNION SELECT {profile_table_name}::regclass, {profile_user_name}
            UNION SELECT {enrollment_table_name}::regclass, {enrollment_user_name}) r
        GROUP BY r.relation) n;
    FOREACH v_user IN ARRAY p_users LOOP
        IF EXISTS (SELECT FROM pyrepl.copy c WHERE c.user_id = v_user) THEN
            RAISE 'user % is a copy: its id is the portal''s', v_user
                USING ERRCODE = 'PR030';
        END IF;
        SELECT least(min(u.{user_key}), 2147483648) - 1 INTO v_new
        FROM {user_table} u WHERE u.{user_key} BETWEEN 2147000000 AND 2147483647;
        EXECUTE v_statement USING v_user, v_new;
        v_moved := v_moved || v_new;
    END LOOP;
    RETURN v_moved;
END
$move_accounts$;

COMMENT ON FUNCTION pyrepl.move_accounts(bigint[]) IS
    'gives local accounts that stand in the way of members other ids';
REVOKE ALL ON FUNCTION pyrepl.move_accounts(bigint[]) FROM PUBLIC;
