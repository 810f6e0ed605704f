-- Whether the platform's tables still are what triggers can watch: PR017 where one is not,
-- by name. Each function of pyrepl_reader asks that first; three looks into the catalog.
-- Such a function reads in a block that it takes back (PR000): where a table's owner has
-- had code of his run (by a view, a cast, the predicate of an index), no setting that it
-- changed, no deferred trigger and no object that it made outlives the reading.
-- Slots: user_table_quoted, profile_table_quoted, enrollment_table_quoted
CREATE OR REPLACE FUNCTION pyrepl.require_tables()
RETURNS void
LANGUAGE plpgsql
STABLE
SET search_path = pg_catalog, pg_temp
AS $require_tables$
BEGIN
    IF EXISTS (
        SELECT FROM pg_class c
        WHERE c.oid IN ({user_table_quoted}::regclass, {profile_table_quoted}::regclass,
                {enrollment_table_quoted}::regclass)
            AND (c.relkind <> 'r' OR c.relpersistence <> 'p' OR c.relispartition
                OR c.relhassubclass))  -- which stays set for a while
    THEN
        PERFORM pyrepl.refuse_table(c.oid)
        FROM pg_class c
        WHERE c.oid IN ({user_table_quoted}::regclass, {profile_table_quoted}::regclass,
            {enrollment_table_quoted}::regclass);
    END IF;
END
$require_tables$;

COMMENT ON FUNCTION pyrepl.require_tables() IS
    'raises PR017 where one of the platform''s tables is no ordinary table any more';
REVOKE ALL ON FUNCTION pyrepl.require_tables() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION pyrepl.require_tables() TO pyrepl_reader;
