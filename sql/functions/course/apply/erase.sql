-- Take copies away: enrollments, profile, and the user row, unless other tables of the
-- course refer to it (or may: a table that we cannot read). Then its agreed columns are
-- blanked instead, which deactivates it. References are looked up, whatever their ON DELETE
-- action: a DELETE tried to find out would take the course's own rows along. Raises PR022.
-- Writes: the three tables, copy. Locks: the user rows, so that no reference is added.
-- Slots: enrollment_table, enrollment_table_name, enrollment_user,
--   profile_table, profile_table_name, profile_user, user_key, user_key_name,
--   user_table, user_table_name
CREATE OR REPLACE FUNCTION pyrepl.erase(p_users bigint[])
RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $erase$
DECLARE
    v_reference record;
    v_found bigint[];
    v_referenced bigint[] := '{{}}';
BEGIN
    PERFORM FROM ONLY {user_table} u WHERE u.{user_key} = ANY (p_users) FOR UPDATE;
    DELETE FROM ONLY {enrollment_table} e WHERE e.{enrollment_user} = ANY (p_users);
    DELETE FROM ONLY {profile_table} p WHERE p.{profile_user} = ANY (p_users);

    FOR v_reference IN
        SELECT c.conrelid::regclass AS relation, a.attname AS referring,
            f.attname AS referred,
            has_column_privilege(c.conrelid, a.attnum, 'SELECT') AS readable
        FROM pg_constraint c
        JOIN pg_attribute a ON a.attrelid = c.conrelid AND a.attnum = ANY (c.conkey)
        JOIN pg_attribute f ON f.attrelid = c.confrelid
            AND f.attnum = c.confkey[array_position(c.conkey, a.attnum)]
        WHERE c.contype = 'f' AND c.confrelid = {user_table_name}::regclass
            AND c.conparentid = 0
            AND c.conrelid NOT IN
                ({profile_table_name}::regclass, {enrollment_table_name}::regclass)
    LOOP
        IF v_reference.readable THEN
            EXECUTE format(
                'SELECT array_agg(u.%1$I) FROM ONLY %2$s u WHERE u.%1$I = ANY ($1) '
                'AND EXISTS (SELECT FROM %3$s r WHERE r.%4$I = u.%5$I)',
                {user_key_name}, {user_table_name}::regclass,
                v_reference.relation, v_reference.referring, v_reference.referred)
                INTO v_found USING p_users;
            v_referenced := v_referenced || v_found;
        ELSE
            v_referenced := p_users;
        END IF;
    END LOOP;

    PERFORM pyrepl.blank({user_table_name}, {user_key_name}, v_referenced);
    DELETE FROM ONLY {user_table} u
    WHERE u.{user_key} = ANY (p_users) AND u.{user_key} <> ALL (v_referenced);
    PERFORM pyrepl.require_written(l.part, l.tab, {user_key_name}, 'DELETE', 0, p_users)
    FROM (
        SELECT 'user' AS part, {user_table_name}::regclass AS tab, 1 AS place
        FROM ONLY {user_table} u
        WHERE u.{user_key} = ANY (p_users) AND u.{user_key} <> ALL (v_referenced)
        UNION ALL
        SELECT 'profile', {profile_table_name}, 2
        FROM ONLY {profile_table} p WHERE p.{profile_user} = ANY (p_users)
        UNION ALL
        SELECT 'enrollment', {enrollment_table_name}, 3
        FROM ONLY {enrollment_table} e WHERE e.{enrollment_user} = ANY (p_users)) l;
    DELETE FROM pyrepl.copy c
    WHERE c.user_id = ANY (p_users) AND c.user_id <> ALL (v_referenced);
    UPDATE pyrepl.copy c SET erased = true WHERE c.user_id = ANY (v_referenced);
END
$erase$;

COMMENT ON FUNCTION pyrepl.erase(bigint[]) IS
    'deletes copies, or blanks those that the course refers to; part of apply';
REVOKE ALL ON FUNCTION pyrepl.erase(bigint[]) FROM PUBLIC;
