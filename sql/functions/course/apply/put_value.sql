-- Give a column another value, the first of some expressions (see placeholders) that the
-- table takes: first in all these rows at once, then, where it takes none of them so, in
-- one after the other. Returns the keys of the rows where it takes none, and by which
-- constraint it last refused one. Writes: p_table.
CREATE OR REPLACE FUNCTION pyrepl.put_value(
    p_table regclass, p_key name, p_keys bigint[], p_column name, p_values text[],
    OUT refused bigint[], OUT problem text)
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $put_value$
DECLARE
    v_value text;
    v_row record;
BEGIN
    FOREACH v_value IN ARRAY p_values LOOP
        BEGIN
            EXECUTE format('UPDATE ONLY %1$s t SET %2$I = ('
                'SELECT %3$s FROM (SELECT t.%4$I AS k, t.%2$I AS v) x) '
                'WHERE t.%4$I = ANY ($1)', p_table, p_column, v_value, p_key) USING p_keys;
            refused := '{}';
            RETURN;
        EXCEPTION
            WHEN integrity_constraint_violation OR data_exception OR raise_exception
                OR undefined_function OR cannot_coerce
            THEN GET STACKED DIAGNOSTICS problem = CONSTRAINT_NAME;
        END;
    END LOOP;
    IF cardinality(p_keys) = 1 THEN
        refused := p_keys;
        RETURN;
    END IF;
    refused := '{}';
    FOR v_row IN
        SELECT v.refused, v.problem FROM unnest(p_keys) k(key)
        CROSS JOIN LATERAL pyrepl.put_value(
            p_table, p_key, ARRAY[k.key], p_column, p_values) v
    LOOP
        refused := refused || v_row.refused;
        problem := coalesce(v_row.problem, problem);
    END LOOP;
END
$put_value$;

COMMENT ON FUNCTION pyrepl.put_value(regclass, name, bigint[], name, text[]) IS
    'gives a column the first value that its table takes; part of apply';
REVOKE ALL ON FUNCTION pyrepl.put_value(regclass, name, bigint[], name, text[])
    FROM PUBLIC;
