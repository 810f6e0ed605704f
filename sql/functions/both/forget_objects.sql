-- Forget objects that were dropped. Writes: object.
CREATE OR REPLACE FUNCTION pyrepl.forget_objects(p_kind text, p_names text[])
RETURNS void
LANGUAGE plpgsql
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $forget_objects$
BEGIN
    PERFORM pyrepl.require_one_of('the kind of an object', p_kind,
        ARRAY['function', 'view', 'type', 'triggers']);
    DELETE FROM pyrepl.object o WHERE o.kind = p_kind AND o.name = ANY (p_names);
END
$forget_objects$;

COMMENT ON FUNCTION pyrepl.forget_objects(text, text[]) IS
    'forgets objects that were dropped';
REVOKE ALL ON FUNCTION pyrepl.forget_objects(text, text[]) FROM PUBLIC;
