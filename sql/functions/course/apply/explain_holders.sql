-- Who holds a unique value, or the id of a row, that a dossier brings. Copies of other
-- users: PR021, with their ids as DETAIL: the portal sends their dossiers along. A local
-- account: PR020, which a person must decide. Neither: the unique violation as it was.
-- Case is folded, as in park.
-- Slots: enrollment_key, enrollment_table, enrollment_user, profile_key, profile_table,
--   profile_user, user_key_name, user_table_name
CREATE OR REPLACE FUNCTION pyrepl.explain_holders(
    p_ids bigint[], p_users pyrepl.user_row[], p_profiles pyrepl.profile_row[],
    p_enrollments pyrepl.enrollment_row[], p_constraint text,
    OUT sqlstate text, OUT message text, OUT hint text, OUT detail text)
LANGUAGE plpgsql
STABLE
SET search_path = pg_catalog, pg_temp
AS $explain_holders$
DECLARE
    v_column name;
    v_found bigint[];
    v_holders bigint[];
    v_local bigint[];
BEGIN
    v_holders := ARRAY(
        SELECT p.{profile_user} FROM unnest(p_profiles) n
        JOIN ONLY {profile_table} p ON p.{profile_key} = n.{profile_key}
        WHERE p.{profile_user} <> n.{profile_user} AND p.{profile_user} <> ALL (p_ids)
        UNION
        SELECT e.{enrollment_user} FROM unnest(p_enrollments) n
        JOIN ONLY {enrollment_table} e ON e.{enrollment_key} = n.{enrollment_key}
        WHERE e.{enrollment_user} <> n.{enrollment_user}
            AND e.{enrollment_user} <> ALL (p_ids));
    FOR v_column IN SELECT pyrepl.unique_columns({user_table_name}, 'user') LOOP
        EXECUTE format($find$
            SELECT array_agg(u.%1$I) FROM unnest($1) n
            JOIN ONLY %2$s u ON lower(u.%3$I::text) = lower(n.%3$I::text)
            WHERE u.%1$I <> n.%1$I AND u.%1$I <> ALL ($2)
            $find$, {user_key_name}, {user_table_name}::regclass, v_column)
            INTO v_found USING p_users, p_ids;
        v_holders := v_holders || v_found;
    END LOOP;
    v_local := ARRAY(
        SELECT DISTINCT h.id FROM unnest(v_holders) h(id)
        WHERE NOT EXISTS (SELECT FROM pyrepl.copy c WHERE c.user_id = h.id));
    detail := '';
    IF v_local <> '{{}}' THEN
        sqlstate := 'PR020';
        message := format(
            'local account in the way: user %s of the course holds a value of %s that must '
            'be unique', array_to_string(v_local, ', '), p_constraint);
        hint := 'Change that value at the course; or, if it is the same person, take it '
            'over with "pyreplctl course register --adopt".';
    ELSIF v_holders <> '{{}}' THEN
        sqlstate := 'PR021';
        message := format('the copy of user %s holds a value of %s that must be unique',
            array_to_string(v_holders, ', '), p_constraint);
        hint := '';
        detail := v_holders::text;
    ELSE
        sqlstate := '23505';
    END IF;
END
$explain_holders$;

COMMENT ON FUNCTION pyrepl.explain_holders(bigint[], pyrepl.user_row[],
    pyrepl.profile_row[], pyrepl.enrollment_row[], text) IS
    'turns a unique violation into PR020 or PR021 where the holder is known; part of apply';
REVOKE ALL ON FUNCTION pyrepl.explain_holders(bigint[], pyrepl.user_row[],
    pyrepl.profile_row[], pyrepl.enrollment_row[], text) FROM PUBLIC;
