-- Where rows may have changed unseen since the last install (at a course: refresh): a
-- sentence for each table, without its name. A column that is gone is the contract's.
-- Slots: enrollment_table_name, profile_table_name, user_table_name
CREATE OR REPLACE FUNCTION pyrepl.missed_rows()
RETURNS TABLE (part text, name text, problem text)
LANGUAGE sql
STABLE
SET search_path = pg_catalog, pg_temp
AS $missed_rows$
    WITH compared AS (
        SELECT k.part, k.item, k.held AS before, n.held,
            n.image <> k.image AS rewritten,
            bool_or(k.item = 'table' AND n.held IS DISTINCT FROM k.held)
                OVER (PARTITION BY k.part) AS replaced,
            bool_or(k.item = 'table' AND n.image <> k.image)
                OVER (PARTITION BY k.part) AS refiled
        FROM pyrepl.table_state k
        LEFT JOIN pyrepl.table_states() n ON n.part = k.part AND n.item = k.item
    ), told AS (
        SELECT c.part, CASE
            WHEN c.item = 'table' AND c.held IS NULL THEN 'is not there'
            WHEN c.replaced AND c.item = 'table' THEN 'is another table than before'
            WHEN c.replaced THEN NULL
            WHEN c.item LIKE 'table %' AND c.held IS DISTINCT FROM c.before
                THEN 'its ' || c.item || ' was away or made again'
            WHEN c.item LIKE 'trigger %' AND c.held IS DISTINCT FROM c.before
                THEN 'its ' || c.item || CASE WHEN c.held IS NULL THEN ' is not there'
                    ELSE ' was disabled, altered or made again' END
            WHEN c.item LIKE 'column %' AND c.held <> c.before
                THEN 'its ' || c.item || ' is another one, or has other labels'
            WHEN c.item LIKE 'column %' AND c.rewritten AND c.refiled
                THEN 'its ' || c.item || ' may have been rewritten' END AS problem
        FROM compared c
    )
    SELECT t.part, array_to_string(CASE t.part
            WHEN 'user' THEN parse_ident({user_table_name})
            WHEN 'profile' THEN parse_ident({profile_table_name})
            WHEN 'enrollment' THEN parse_ident({enrollment_table_name})
            ELSE '{{pyrepl}}' END, '.'),
        string_agg(t.problem, '; ' ORDER BY t.problem)
    FROM told t
    WHERE t.problem IS NOT NULL
    GROUP BY t.part;
$missed_rows$;

COMMENT ON FUNCTION pyrepl.missed_rows() IS
    'tables whose rows may have changed without that a trigger has fired';
REVOKE ALL ON FUNCTION pyrepl.missed_rows() FROM PUBLIC;
