-- Note whether some course database has immediate delivery; capture asks for it then.
-- The row is locked first: of two switches at the same time, the second looks when the
-- first is done. Writes: settings.
CREATE OR REPLACE FUNCTION pyrepl.note_immediate()
RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $note_immediate$
BEGIN
    PERFORM FROM pyrepl.settings FOR UPDATE;
    UPDATE pyrepl.settings SET immediate = EXISTS (
        SELECT FROM pyrepl.database d WHERE d.delivery = 'immediate');
END
$note_immediate$;

COMMENT ON FUNCTION pyrepl.note_immediate() IS
    'notes whether capture asks for immediate delivery';
REVOKE ALL ON FUNCTION pyrepl.note_immediate() FROM PUBLIC;
