-- TRUNCATE takes rows away that a snapshot older than its lock does not show. Refuse it
-- where the trigger could not name what vanishes.
CREATE OR REPLACE FUNCTION pyrepl.require_truncate_seen(p_table oid)
RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $require_truncate_seen$
BEGIN
    IF current_setting('transaction_isolation') <> 'read committed' THEN
        RAISE 'TRUNCATE of % is not captured rightly in %', p_table::regclass,
            upper(current_setting('transaction_isolation'))
            USING ERRCODE = 'PR002', HINT = 'TRUNCATE in READ COMMITTED, or use DELETE.';
    END IF;
END
$require_truncate_seen$;

COMMENT ON FUNCTION pyrepl.require_truncate_seen(oid) IS
    'raises PR002 for a TRUNCATE whose rows the trigger cannot see';
REVOKE ALL ON FUNCTION pyrepl.require_truncate_seen(oid) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION pyrepl.require_truncate_seen(oid) TO pyrepl_capture;
