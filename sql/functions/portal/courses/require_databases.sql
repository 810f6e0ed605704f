-- Refuse numbers under which no course database is registered (PR040).
CREATE OR REPLACE FUNCTION pyrepl.require_databases(p_databases integer[])
RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $require_databases$
DECLARE
    v_unknown text;
BEGIN
    SELECT string_agg(coalesce(n::text, 'NULL'), ', ') INTO v_unknown
    FROM unnest(p_databases) n
    WHERE NOT EXISTS (SELECT FROM pyrepl.database d WHERE d.id = n);
    IF p_databases IS NULL OR v_unknown IS NOT NULL THEN
        RAISE 'no course database has the number %', coalesce(v_unknown, 'NULL')
            USING ERRCODE = 'PR040',
            HINT = 'pyrepl.databases() lists those that are registered.';
    END IF;
END
$require_databases$;

COMMENT ON FUNCTION pyrepl.require_databases(integer[]) IS
    'raises PR040 for a number that no course database has';
REVOKE ALL ON FUNCTION pyrepl.require_databases(integer[]) FROM PUBLIC;
