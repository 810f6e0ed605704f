-- Refuse to read a table of the platform that is none any more (PR017), and say what it is.
CREATE OR REPLACE FUNCTION pyrepl.refuse_table(p_table oid)
RETURNS void
LANGUAGE plpgsql
STABLE
SET search_path = pg_catalog, pg_temp
AS $refuse_table$
DECLARE
    v_problem text := (
        SELECT CASE
            WHEN c.relkind = 'v' THEN 'is a view now'
            WHEN c.relkind = 'm' THEN 'is a materialized view now'
            WHEN c.relkind = 'f' THEN 'is a foreign table now'
            WHEN c.relkind = 'p' OR c.relispartition THEN 'is partitioned now'
            WHEN c.relkind <> 'r' THEN 'is no ordinary table now'
            WHEN c.relpersistence <> 'p' THEN 'is not logged now, a crash would empty it'
            WHEN EXISTS (SELECT FROM pg_inherits i WHERE i.inhparent = c.oid)
                THEN 'has a table now that inherits from it' END
        FROM pg_class c WHERE c.oid = p_table);
BEGIN
    IF v_problem IS NOT NULL THEN
        RAISE '% %: not every write to it would be seen', p_table::regclass, v_problem
            USING ERRCODE = 'PR017', HINT = 'Make it an ordinary table again, then run '
            '"pyreplctl install" and "pyreplctl backfill".';
    END IF;
END
$refuse_table$;

COMMENT ON FUNCTION pyrepl.refuse_table(oid) IS
    'raises PR017 for a table that is no ordinary table; part of require_tables';
REVOKE ALL ON FUNCTION pyrepl.refuse_table(oid) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION pyrepl.refuse_table(oid) TO pyrepl_reader;
