-- After a TRUNCATE of users whose rows could not be read: everybody who has a copy, or is
-- about to have one, has left. Part of capture_truncate. Writes: departure.
CREATE OR REPLACE FUNCTION pyrepl.note_all_gone()
RETURNS void
LANGUAGE sql
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $note_all_gone$
    INSERT INTO pyrepl.departure (user_id)
    SELECT p.user_id FROM pyrepl.placement p
    UNION SELECT o.user_id FROM pyrepl.outbox o;
$note_all_gone$;

COMMENT ON FUNCTION pyrepl.note_all_gone() IS
    'notes that all users with copies have left; part of capture_truncate';
REVOKE ALL ON FUNCTION pyrepl.note_all_gone() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION pyrepl.note_all_gone() TO pyrepl_capture;
