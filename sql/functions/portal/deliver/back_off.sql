-- When to try a database again that has failed p_failures times before: after 1 s, doubling
-- to 5 min, with jitter, so that databases of one server do not all come back at once.
CREATE OR REPLACE FUNCTION pyrepl.back_off(p_failures integer)
RETURNS timestamptz
LANGUAGE sql
VOLATILE
SET search_path = pg_catalog, pg_temp
AS $back_off$
    SELECT clock_timestamp()
        + interval '1 s' * least(2 ^ least(p_failures, 20), 300) * (0.75 + random() / 2);
$back_off$;

COMMENT ON FUNCTION pyrepl.back_off(integer) IS
    'time of the next attempt after so many failures; part of deliver';
REVOKE ALL ON FUNCTION pyrepl.back_off(integer) FROM PUBLIC;
