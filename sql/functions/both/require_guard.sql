-- Refuse a word that does not say what a guard does (PR041).
CREATE OR REPLACE FUNCTION pyrepl.require_guard(p_guard text)
RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $require_guard$
BEGIN
    PERFORM pyrepl.require_one_of('the guard', p_guard, ARRAY['reject', 'warn', 'off']);
END
$require_guard$;

COMMENT ON FUNCTION pyrepl.require_guard(text) IS
    'raises PR041 for anything but reject, warn and off';
REVOKE ALL ON FUNCTION pyrepl.require_guard(text) FROM PUBLIC;
