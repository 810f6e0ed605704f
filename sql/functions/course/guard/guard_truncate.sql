-- The guard against TRUNCATE: while there are copies, none of the three tables.
CREATE OR REPLACE FUNCTION pyrepl.guard_truncate()
RETURNS trigger
LANGUAGE plpgsql
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $guard_truncate$
BEGIN
    IF EXISTS (SELECT FROM pyrepl.copy c WHERE NOT c.erased) THEN
        PERFORM pyrepl.reject_or_warn(format(
            '%s holds rows of copies and may not be truncated here', TG_RELID::regclass));
    END IF;
    RETURN NULL;
END
$guard_truncate$;

COMMENT ON FUNCTION pyrepl.guard_truncate() IS
    'keeps others than apply from truncating a table that has rows of copies';
REVOKE ALL ON FUNCTION pyrepl.guard_truncate() FROM PUBLIC;
