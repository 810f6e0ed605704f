-- Erase some copies, as if their users had left the portal. Returns how many; 0 when
-- none is left. Writes: the three tables, copy. Locks: as erase.
CREATE OR REPLACE FUNCTION pyrepl.purge_copies(p_most integer)
RETURNS integer
LANGUAGE plpgsql
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET row_security = off
AS $purge_copies$
DECLARE
    v_users bigint[];
BEGIN
    IF p_most IS NULL OR p_most < 1 THEN
        RAISE 'no number of copies: %', coalesce(p_most::text, 'NULL')
            USING ERRCODE = 'PR041', HINT = 'At least one is erased.';
    END IF;
    v_users := ARRAY(SELECT c.user_id FROM pyrepl.copy c WHERE NOT c.erased LIMIT p_most);
    PERFORM pyrepl.erase(v_users);
    RETURN cardinality(v_users);
END
$purge_copies$;

COMMENT ON FUNCTION pyrepl.purge_copies(integer) IS
    'erases copies at the end of a registration';
REVOKE ALL ON FUNCTION pyrepl.purge_copies(integer) FROM PUBLIC;
