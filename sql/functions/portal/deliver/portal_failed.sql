-- The portal itself has failed, at delivery to a database or at routing (0). Nothing is
-- booked on the database or on dossiers; it has its pause before the next attempt.
-- Returns the message as it is kept. Writes: own_failure, health.
CREATE OR REPLACE FUNCTION pyrepl.portal_failed(
    p_database integer, p_sqlstate text, p_message text, p_hint text)
RETURNS text
LANGUAGE sql
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $portal_failed$
    WITH noted AS (
        INSERT INTO pyrepl.own_failure AS f (database_id, sqlstate, message, hint)
        VALUES (p_database, coalesce(pyrepl.clean_text(p_sqlstate, 5), 'XX000'),
            coalesce(pyrepl.clean_text(p_message, 500), ''),
            pyrepl.clean_text(p_hint, 500))
        ON CONFLICT (database_id) DO UPDATE SET sqlstate = excluded.sqlstate,
            message = excluded.message, hint = excluded.hint, failures = f.failures + 1
        RETURNING f.message, f.failures
    ), paused AS (
        UPDATE pyrepl.health h SET retry_at = pyrepl.back_off(n.failures - 1)
        FROM noted n WHERE h.database_id = p_database
    )
    SELECT n.message FROM noted n;
$portal_failed$;

COMMENT ON FUNCTION pyrepl.portal_failed(integer, text, text, text) IS
    'records that the portal itself has failed, at routing (0) or at a delivery';
REVOKE ALL ON FUNCTION pyrepl.portal_failed(integer, text, text, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION pyrepl.portal_failed(integer, text, text, text) TO pyrepl_worker;
