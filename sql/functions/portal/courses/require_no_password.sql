-- Refuse a connection string with a password: what is kept here is shown and dumped
-- (PR041).
CREATE OR REPLACE FUNCTION pyrepl.require_no_password(p_what text, p_conninfo text)
RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $require_no_password$
BEGIN
    IF p_conninfo IS NULL OR p_conninfo ~ '\mpassword\s*=' THEN
        RAISE '% is kept as a connection string without a password', p_what
            USING ERRCODE = 'PR041',
            HINT = 'Passwords come from where libpq looks for them: PGPASSFILE, for one.';
    END IF;
END
$require_no_password$;

COMMENT ON FUNCTION pyrepl.require_no_password(text, text) IS
    'raises PR041 for a connection string that must not be kept';
REVOKE ALL ON FUNCTION pyrepl.require_no_password(text, text) FROM PUBLIC;
