-- Whether somebody holds a unique value, or the id of a row, that a batch brings, and will
-- go on to hold it: a local account is PR020, which a person must decide; copies of other
-- users, of a batch that does not write them, PR021, with their ids as DETAIL. What is left
-- of erased users is nobody's. Part of park.
CREATE OR REPLACE FUNCTION pyrepl.refuse_holders(
    p_table regclass, p_key name, p_user name, p_part text, p_rows anyarray)
RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $refuse_holders$
DECLARE
    v_found record;
BEGIN
    EXECUTE format($find$
        SELECT c.user_id IS NULL AS local, h.index_name,
            array_agg(DISTINCT h.holder ORDER BY h.holder) AS users
        FROM pyrepl.collisions($1, $2, $3, $4, $5) h
        LEFT JOIN pyrepl.copy c ON c.user_id = h.holder
        WHERE c.erased IS NOT TRUE AND NOT EXISTS (
            SELECT FROM unnest($5) n WHERE n.%I = h.key AND n.%I = h.holder)
        GROUP BY 1, 2 ORDER BY 1 DESC, 2
        $find$, p_key, p_user) INTO v_found USING p_table, p_key, p_user, p_part, p_rows;
    IF v_found.local THEN
        RAISE 'local account in the way: user % of the course holds a value of % that must '
            'be unique', array_to_string(v_found.users[:20], ', '), v_found.index_name
            USING ERRCODE = 'PR020', HINT = 'Change that value at the course; or, if it is '
            'the same person, take it over with "pyreplctl course register --adopt".';
    ELSIF v_found.users IS NOT NULL THEN
        RAISE 'the copy of user % holds a value of % that must be unique',
            array_to_string(v_found.users[:20], ', '), v_found.index_name
            USING ERRCODE = 'PR021', DETAIL = v_found.users[:1000]::text;
    END IF;
END
$refuse_holders$;

COMMENT ON FUNCTION pyrepl.refuse_holders(regclass, name, name, text, anyarray) IS
    'refuses a batch that brings a value which somebody else keeps; part of park';
REVOKE ALL ON FUNCTION pyrepl.refuse_holders(regclass, name, name, text, anyarray)
    FROM PUBLIC;
