-- Whether a time that was noted for something to be done has come. One that lies further
-- ahead than any that is ever noted (back_off and set_aside: minutes) was noted before the
-- server's clock was set back: to wait for it could take years. NULL: no time was noted.
CREATE OR REPLACE FUNCTION pyrepl.is_due(p_at timestamptz)
RETURNS boolean
LANGUAGE plpgsql
STABLE
SET search_path = pg_catalog, pg_temp
AS $is_due$
BEGIN
    RETURN p_at NOT BETWEEN clock_timestamp() AND clock_timestamp() + interval '10 min';
END
$is_due$;

COMMENT ON FUNCTION pyrepl.is_due(timestamptz) IS
    'whether a noted time has come, also where the clock was set back since';
REVOKE ALL ON FUNCTION pyrepl.is_due(timestamptz) FROM PUBLIC;
