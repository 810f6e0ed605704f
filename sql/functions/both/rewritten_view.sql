-- What this server makes of a view as another version wrote it: pg_upgrade has it made
-- from just that text. The view is made and taken back.
-- Returns NULL where it cannot be made, as on a server that takes no writes.
CREATE OR REPLACE FUNCTION pyrepl.rewritten_view(p_definition text)
RETURNS text
LANGUAGE plpgsql
STRICT
SET search_path = pg_catalog, pg_temp
AS $rewritten_view$
DECLARE
    v_made text;
BEGIN
    EXECUTE 'CREATE VIEW pyrepl.as_installed AS ' || p_definition;
    v_made := pg_get_viewdef('pyrepl.as_installed'::regclass);
    RAISE SQLSTATE 'PR009';
EXCEPTION
    WHEN SQLSTATE 'PR009' THEN RETURN v_made;
    WHEN OTHERS THEN RETURN NULL;
END
$rewritten_view$;

COMMENT ON FUNCTION pyrepl.rewritten_view(text) IS
    'a view''s text as this server writes it; part of verify';
REVOKE ALL ON FUNCTION pyrepl.rewritten_view(text) FROM PUBLIC;
