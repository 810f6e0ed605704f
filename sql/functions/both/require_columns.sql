-- Refuse a contract that is none (PR041): a fingerprint of another form, a part without
-- columns or that does not exist, arrays of different lengths, or something missing in
-- them.
CREATE OR REPLACE FUNCTION pyrepl.require_columns(
    p_fingerprint text, p_parts text[], p_arrays text[])
RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $require_columns$
BEGIN
    IF p_fingerprint IS NULL OR p_fingerprint !~ '^[0-9a-f]{32}$' THEN
        RAISE 'the fingerprint of a contract cannot be %',
            coalesce(quote_literal(p_fingerprint), 'NULL')
            USING ERRCODE = 'PR041', HINT = 'It is 32 hex digits in lower case.';
    END IF;
    IF p_parts IS NULL OR NOT p_parts <@ ARRAY['user', 'profile', 'enrollment']
        OR NOT p_parts @> ARRAY['user', 'profile', 'enrollment']
        OR array_position(p_arrays, NULL) IS NOT NULL
        OR cardinality(p_arrays) % cardinality(p_parts) <> 0
    THEN
        RAISE 'the columns of a contract are not complete' USING ERRCODE = 'PR041',
            HINT = 'Part, table, name and type are arrays of the same length, without NULL,'
            ' and each of user, profile and enrollment has columns.';
    END IF;
END
$require_columns$;

COMMENT ON FUNCTION pyrepl.require_columns(text, text[], text[]) IS
    'raises PR041 for a contract that is not complete';
REVOKE ALL ON FUNCTION pyrepl.require_columns(text, text[], text[]) FROM PUBLIC;
