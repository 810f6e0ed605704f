-- What each reading of the platform's tables begins with: whether these still are what
-- triggers can watch. A look into the catalog, not a call, which would cost as much again.
-- Slots: enrollment_table_name, profile_table_name, user_table_name
IF EXISTS (
        SELECT FROM pg_class c
        WHERE c.oid IN ({user_table_name}::regclass, {profile_table_name}::regclass,
                {enrollment_table_name}::regclass)
            AND (c.relkind <> 'r' OR c.relpersistence <> 'p' OR c.relispartition
                OR c.relhassubclass))  -- which stays set for a while
    THEN
        PERFORM pyrepl.refuse_tables();
    END IF
