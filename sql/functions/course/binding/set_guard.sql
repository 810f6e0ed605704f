-- Say what the guard's triggers do: reject, warn or off. Returns whether that is new.
-- Writes: binding.
CREATE OR REPLACE FUNCTION pyrepl.set_guard(p_guard text)
RETURNS boolean
LANGUAGE plpgsql
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $set_guard$
BEGIN
    PERFORM pyrepl.require_guard(p_guard);
    UPDATE pyrepl.binding b SET guard = p_guard WHERE b.guard <> p_guard;
    RETURN FOUND;
END
$set_guard$;

COMMENT ON FUNCTION pyrepl.set_guard(text) IS
    'says what the guard does about edits of copies';
REVOKE ALL ON FUNCTION pyrepl.set_guard(text) FROM PUBLIC;
