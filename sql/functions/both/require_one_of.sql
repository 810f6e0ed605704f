-- Refuse an argument that is not one of a few words (PR041).
CREATE OR REPLACE FUNCTION pyrepl.require_one_of(
    p_what text, p_given text, p_allowed text[])
RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $require_one_of$
BEGIN
    IF p_given IS NULL OR p_given <> ALL (p_allowed) THEN
        RAISE '% cannot be %', p_what, coalesce(quote_literal(p_given), 'NULL')
            USING ERRCODE = 'PR041',
            HINT = 'It is one of ' || array_to_string(p_allowed, ', ') || '.';
    END IF;
END
$require_one_of$;

COMMENT ON FUNCTION pyrepl.require_one_of(text, text, text[]) IS
    'raises PR041 for a word that is not allowed';
REVOKE ALL ON FUNCTION pyrepl.require_one_of(text, text, text[]) FROM PUBLIC;
