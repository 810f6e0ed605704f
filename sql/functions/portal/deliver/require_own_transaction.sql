-- Refuse to route or deliver where that would be unsafe: snapshots must be younger than
-- locks (READ COMMITTED), and the commit must follow at once (nothing written before).
-- Makes this transaction durable: the row that says "still to do" goes with its commit.
CREATE OR REPLACE FUNCTION pyrepl.require_own_transaction()
RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $require_own_transaction$
BEGIN
    IF current_setting('transaction_isolation') <> 'read committed' THEN
        RAISE 'route and deliver run in READ COMMITTED only, not in %',
            upper(current_setting('transaction_isolation'))
            USING ERRCODE = 'PR001',
            HINT = 'SET TRANSACTION ISOLATION LEVEL READ COMMITTED.';
    END IF;
    IF pg_current_xact_id_if_assigned() IS NOT NULL THEN
        RAISE 'route and deliver need a transaction of their own'
            USING ERRCODE = 'PR001',
            HINT = 'Call them outside of a transaction block, one call a transaction.';
    END IF;
    IF current_setting('synchronous_commit') IN ('off', 'local') THEN
        PERFORM set_config('synchronous_commit', 'on', true);
    END IF;
END
$require_own_transaction$;

COMMENT ON FUNCTION pyrepl.require_own_transaction() IS
    'raises PR001 unless the transaction is READ COMMITTED and has written nothing; '
    'makes its commit durable';
REVOKE ALL ON FUNCTION pyrepl.require_own_transaction() FROM PUBLIC;
