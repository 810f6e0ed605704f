-- What may have been written on the portal without that capture could note it: by what the
-- catalog tells, and by what capture itself has left. To be ended by install.
CREATE OR REPLACE FUNCTION pyrepl.missed_changes()
RETURNS TABLE (part text, name text, problem text)
LANGUAGE sql
STABLE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $missed_changes$
    SELECT m.part, m.name, m.problem FROM pyrepl.missed_rows() m
    UNION ALL
    SELECT u.part, 'statements on the ' || u.part || ' table',
        format('%s could not be captured, the last one at %s (%s)', count(*),
            to_char(max(u.at) AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS "UTC"'),
            string_agg(DISTINCT u.sqlstate, ', '))
    FROM pyrepl.uncaptured u
    GROUP BY u.part;
$missed_changes$;

COMMENT ON FUNCTION pyrepl.missed_changes() IS
    'where changes of the portal may have been missed; empty when all is well';
REVOKE ALL ON FUNCTION pyrepl.missed_changes() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION pyrepl.missed_changes() TO pyrepl_monitor;
