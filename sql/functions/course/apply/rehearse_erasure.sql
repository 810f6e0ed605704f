-- Whether the copies of these users could be erased although the course refers to them:
-- blanks them and takes it back. Raises PR023 where a column does not take it.
-- Slots: user_key_name, user_table_name
CREATE OR REPLACE FUNCTION pyrepl.rehearse_erasure(p_users bigint[])
RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $rehearse_erasure$
BEGIN
    PERFORM pyrepl.blank({user_table_name}, {user_key_name}, ARRAY(
        SELECT c.user_id FROM pyrepl.copy c WHERE c.user_id = ANY (p_users)));
    RAISE SQLSTATE 'PR009';
EXCEPTION WHEN SQLSTATE 'PR009' THEN  -- a category: it catches all of ours
    IF SQLSTATE <> 'PR009' THEN
        RAISE;
    END IF;
END
$rehearse_erasure$;

COMMENT ON FUNCTION pyrepl.rehearse_erasure(bigint[]) IS
    'tries whether copies can be erased, and takes it back';
REVOKE ALL ON FUNCTION pyrepl.rehearse_erasure(bigint[]) FROM PUBLIC;
