-- The first agreed column that this course database no longer has as agreed, or a table
-- that is no ordinary one any more: what is written there would not be in it alone.
-- Returns a sentence, or NULL where the contract can be kept.
-- Slots: enrollment_table_name, profile_table_name, user_table_name
CREATE OR REPLACE FUNCTION pyrepl.contract_problem()
RETURNS text
LANGUAGE sql
STABLE
SET search_path = pg_catalog, pg_temp
AS $contract_problem$
    SELECT format('table %s is no ordinary table any more', t.oid::regclass)
    FROM pg_class t
    WHERE t.relkind <> 'r' AND t.oid IN (to_regclass({user_table_name}),
        to_regclass({profile_table_name}), to_regclass({enrollment_table_name}))
    UNION ALL
    (SELECT CASE
        WHEN a.attname IS NULL THEN
            format('column %I of %s is in the contract and not at the course any more',
                c.column_name, c.table_name)
        ELSE format('column %I of %s was %s when the course was registered and is %s now',
            c.column_name, c.table_name, c.local_type, format_type(a.atttypid, -1))
        END
    FROM pyrepl.contract_column c
    LEFT JOIN pg_attribute a ON a.attrelid = CASE c.part
            WHEN 'user' THEN to_regclass({user_table_name})
            WHEN 'profile' THEN to_regclass({profile_table_name})
            ELSE to_regclass({enrollment_table_name}) END
        AND a.attname = c.column_name::name AND NOT a.attisdropped
    WHERE format_type(a.atttypid, -1) IS DISTINCT FROM c.local_type
    ORDER BY c.part, c.position)
    LIMIT 1;
$contract_problem$;

COMMENT ON FUNCTION pyrepl.contract_problem() IS
    'what keeps this course database from keeping the contract, or NULL';
REVOKE ALL ON FUNCTION pyrepl.contract_problem() FROM PUBLIC;
