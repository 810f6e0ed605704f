-- How dossiers go to a database now: a database with immediate delivery falls back to its
-- queue while it is in trouble, paused, or stalled by pushes that do not come to an end.
CREATE OR REPLACE FUNCTION pyrepl.effective_delivery(
    p_database pyrepl.database, p_health pyrepl.health)
RETURNS text
LANGUAGE sql
STABLE
SET search_path = pg_catalog, pg_temp
AS $effective_delivery$
    SELECT CASE WHEN p_database.delivery = 'immediate'
            AND p_database.state IN ('active', 'backfilling')
            AND p_health.health = 'ok' AND p_health.phase = 'normal'
            AND coalesce(p_health.stalled_at, '-infinity')
                NOT BETWEEN clock_timestamp() - interval '5 s' AND clock_timestamp()
            -- a prepared transaction may not use postgres_fdw
            AND current_setting('max_prepared_transactions') = '0'
        THEN 'immediate' ELSE 'queued' END;
$effective_delivery$;

COMMENT ON FUNCTION pyrepl.effective_delivery(pyrepl.database, pyrepl.health) IS
    'immediate or queued: what a writer that commits now will meet';
REVOKE ALL ON FUNCTION pyrepl.effective_delivery(pyrepl.database, pyrepl.health)
    FROM PUBLIC;
