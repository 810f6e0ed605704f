-- The rows of a user in one of the platform's tables, each as a JSON object of texts: what
-- verify --show-values shows of this side. p_part: user, profile or enrollment.
-- profile_key_name, profile_user_name, enrollment_key_name, enrollment_user_name
-- Owner: pyrepl_reader
-- Slots: enrollment_key_name, enrollment_table_name, enrollment_user_name,
--   profile_key_name, profile_table_name, profile_user_name, require_tables,
--   user_key_name, user_table_name
CREATE OR REPLACE FUNCTION pyrepl.rows_as_text(
    p_part text, p_user bigint, p_columns text[])
RETURNS SETOF json
LANGUAGE plpgsql
STABLE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET row_security = off
AS $rows_as_text$
BEGIN
    {require_tables};
    RETURN QUERY EXECUTE format(
        'SELECT json_object($2, ARRAY[%s]) FROM ONLY %s r WHERE r.%I = $1 ORDER BY r.%I',
        (SELECT string_agg(format('r.%I::text', c.name), ', ' ORDER BY c.place)
            FROM unnest(p_columns) WITH ORDINALITY c(name, place)),
        CASE p_part WHEN 'user' THEN {user_table_name}
            WHEN 'profile' THEN {profile_table_name} ELSE {enrollment_table_name} END,
        CASE p_part WHEN 'user' THEN {user_key_name}
            WHEN 'profile' THEN {profile_user_name} ELSE {enrollment_user_name} END,
        CASE p_part WHEN 'user' THEN {user_key_name}
            WHEN 'profile' THEN {profile_key_name} ELSE {enrollment_key_name} END)
        USING p_user, p_columns;
    RAISE SQLSTATE 'PR009';  -- taken back, see refuse_tables
EXCEPTION WHEN SQLSTATE 'PR009' THEN NULL;
END
$rows_as_text$;

COMMENT ON FUNCTION pyrepl.rows_as_text(text, bigint, text[]) IS
    'rows of a user as verify --show-values shows them';
REVOKE ALL ON FUNCTION pyrepl.rows_as_text(text, bigint, text[]) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION pyrepl.rows_as_text(text, bigint, text[]) TO pyrepl_owner;
