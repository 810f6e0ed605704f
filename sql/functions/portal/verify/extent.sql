-- Between which user ids there is something to compare for a course database.
CREATE OR REPLACE FUNCTION pyrepl.extent(
    p_database integer, OUT lowest bigint, OUT highest bigint)
LANGUAGE plpgsql
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $extent$
BEGIN
    EXECUTE format('SELECT d.lowest, d.highest FROM pyrepl.digest_%s d', p_database)
        INTO lowest, highest;
    -- The course's word: an id beside which there is no other would be no end to look for.
    lowest := greatest(lowest, -9223372036854775807);
    highest := least(highest, 9223372036854775806);
    SELECT min(i.id), max(i.id) INTO lowest, highest
    FROM (
        SELECT unnest(pyrepl.enrolled_extent())
        UNION ALL SELECT min(p.user_id) FROM pyrepl.placement p
        UNION ALL SELECT max(p.user_id) FROM pyrepl.placement p
        UNION ALL SELECT lowest
        UNION ALL SELECT highest) i(id);
END
$extent$;

COMMENT ON FUNCTION pyrepl.extent(integer) IS
    'the least and the greatest user id that verify has to look at';
REVOKE ALL ON FUNCTION pyrepl.extent(integer) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION pyrepl.extent(integer) TO pyrepl_monitor;
