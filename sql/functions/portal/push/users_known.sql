-- Which of these users a course database may know of: members, and those of whom it holds a
-- copy. Part of users_to_tell.
-- Owner: pyrepl_reader
-- Slots: membership, require_tables
CREATE OR REPLACE FUNCTION pyrepl.users_known(p_database integer, p_users bigint[])
RETURNS bigint[]
LANGUAGE plpgsql
STABLE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET row_security = off
AS $users_known$
DECLARE
    v_known bigint[];
BEGIN
    {require_tables};
    BEGIN
        v_known := ARRAY(
            SELECT DISTINCT i.id FROM unnest(p_users) i(id)
            CROSS JOIN LATERAL (
                {membership}) m
            WHERE m.known);
        RAISE SQLSTATE 'PR009';
    EXCEPTION WHEN SQLSTATE 'PR009' THEN NULL;
    END;
    RETURN v_known;
END
$users_known$;

COMMENT ON FUNCTION pyrepl.users_known(integer, bigint[]) IS
    'which users are members or copies at a course database; part of users_to_tell';
REVOKE ALL ON FUNCTION pyrepl.users_known(integer, bigint[]) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION pyrepl.users_known(integer, bigint[]) TO pyrepl_owner;
