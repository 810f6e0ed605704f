-- To be called last in a transaction that changes which database hosts a course: waits
-- until all immediate deliveries that know only of the old one have ended, and keeps new
-- ones out (they go by the queue). Else route would not see whom they enroll, and they
-- would not see where to. Locks: the advisory lock of hosting.
CREATE OR REPLACE FUNCTION pyrepl.lock_hosting()
RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
SET lock_timeout = '90s'
AS $lock_hosting$
BEGIN
    PERFORM pg_advisory_xact_lock(1887007344, -3);
EXCEPTION WHEN lock_not_available THEN
    RAISE 'hosting stays as it was: immediate deliveries under way do not come to an end'
        USING ERRCODE = 'PR003',
        HINT = 'Try again when the course database that holds them up answers.';
END
$lock_hosting$;

COMMENT ON FUNCTION pyrepl.lock_hosting() IS
    'waits for immediate deliveries before a change of hosting commits';
REVOKE ALL ON FUNCTION pyrepl.lock_hosting() FROM PUBLIC;
