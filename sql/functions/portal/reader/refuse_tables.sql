-- Refuse to read tables of the platform of which one is no ordinary table any more (PR018),
-- and say what it is now.
-- Each function of pyrepl_reader asks that first, and reads in a block that it takes back
-- (PR009): where a table's owner has had code of his run (by a view, a cast, the condition
-- of an index), no setting that it changed, no deferred trigger and no object that it made
-- outlives the reading.
-- Slots: enrollment_table_name, profile_table_name, user_table_name
CREATE OR REPLACE FUNCTION pyrepl.refuse_tables()
RETURNS void
LANGUAGE plpgsql
STABLE
SET search_path = pg_catalog, pg_temp
AS $refuse_tables$
DECLARE
    v_table text;
    v_problem text;
BEGIN
    FOR v_table, v_problem IN
        SELECT c.oid::regclass, CASE
            WHEN c.relkind = 'v' THEN 'is a view now'
            WHEN c.relkind = 'm' THEN 'is a materialized view now'
            WHEN c.relkind = 'f' THEN 'is a foreign table now'
            WHEN c.relkind = 'p' OR c.relispartition THEN 'is partitioned now'
            WHEN c.relkind <> 'r' THEN 'is no ordinary table now'
            WHEN c.relpersistence <> 'p' THEN 'is not logged now, a crash would empty it'
            WHEN EXISTS (SELECT FROM pg_inherits i WHERE i.inhparent = c.oid)
                THEN 'has a table now that inherits from it' END
        FROM pg_class c
        WHERE c.oid IN ({user_table_name}::regclass, {profile_table_name}::regclass,
            {enrollment_table_name}::regclass)
        ORDER BY 1
    LOOP
        CONTINUE WHEN v_problem IS NULL;
        RAISE '% %: not every write to it would be seen', v_table, v_problem
            USING ERRCODE = 'PR018', HINT = 'Make it an ordinary table again, then run '
            '"pyreplctl install" and "pyreplctl backfill".';
    END LOOP;
END
$refuse_tables$;

COMMENT ON FUNCTION pyrepl.refuse_tables() IS
    'raises PR018 where one of the platform''s tables is no ordinary table any more';
REVOKE ALL ON FUNCTION pyrepl.refuse_tables() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION pyrepl.refuse_tables() TO pyrepl_reader;
