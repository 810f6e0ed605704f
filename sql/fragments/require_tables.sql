-- What each reading of the platform's tables begins with: whether these still are what
-- triggers can watch. A look into the catalog, not a call, which would cost as much again.
IF EXISTS (
        SELECT FROM pg_class c
        WHERE c.oid IN ({user_table_quoted}::regclass, {profile_table_quoted}::regclass,
                {enrollment_table_quoted}::regclass)
            AND (c.relkind <> 'r' OR c.relpersistence <> 'p' OR c.relispartition
                OR c.relhassubclass))  -- which stays set for a while
    THEN
        PERFORM pyrepl.refuse_tables();
    END IF
