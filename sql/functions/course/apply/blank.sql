-- Make user rows nobody's, and inactive: the agreed columns but the key get what says
-- nothing. All at once; where the course's constraints do not take that, column by column
-- what they take (see placeholders), twice, as one may wait for another. PR023 names the
-- column in which nothing can stand: then the row stays as it was; PR022, what of the
-- course keeps it from being written. Part of erase.
-- Writes: p_table.
CREATE OR REPLACE FUNCTION pyrepl.blank(p_table regclass, p_key name, p_users bigint[])
RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $blank$
DECLARE
    v_unique name[] := ARRAY(
        SELECT unnest(i.columns)
        FROM pyrepl.unique_indexes(p_table, 'user', p_key, p_key) i);
    v_set text;
    v_column record;
    v_left record;
    v_found bigint[];
    v_written bigint;
BEGIN
    EXECUTE format('SELECT array_agg(t.%2$I) FROM ONLY %1$s t WHERE t.%2$I = ANY ($1)',
        p_table, p_key) INTO v_found USING p_users;
    IF v_found IS NULL THEN
        RETURN;
    END IF;
    SELECT string_agg(format(
            '%1$I = (SELECT %2$s FROM (SELECT t.%3$I AS k, t.%1$I AS v) x)', c.column_name,
            (pyrepl.placeholders(p_table, c.column_name, true,
                c.column_name = ANY (v_unique)))[1], p_key),
        ', ') INTO v_set
    FROM pyrepl.contract_column c WHERE c.part = 'user' AND c.column_name <> p_key;
    BEGIN
        EXECUTE format('UPDATE ONLY %s t SET %s WHERE t.%I = ANY ($1)',
            p_table, v_set, p_key) USING p_users;
        GET DIAGNOSTICS v_written = ROW_COUNT;
        IF v_written < cardinality(v_found) THEN
            PERFORM pyrepl.require_written(
                'user', p_table, p_key, 'UPDATE', v_written, v_found);
        END IF;
        RETURN;
    EXCEPTION
        WHEN integrity_constraint_violation OR data_exception OR raise_exception THEN NULL;
    END;
    FOR v_column IN
        SELECT c.column_name, w.round
        FROM generate_series(1, 2) w(round), pyrepl.contract_column c
        WHERE c.part = 'user' AND c.column_name <> p_key ORDER BY w.round, c.position
    LOOP
        SELECT v.* INTO v_left FROM pyrepl.put_value(p_table, p_key, p_users,
            v_column.column_name, pyrepl.placeholders(p_table, v_column.column_name, true,
                v_column.column_name = ANY (v_unique))) v;
        IF v_left.refused <> '{}' AND v_column.round = 2 THEN
            RAISE 'user % cannot be erased: column % of % takes no other value, '
                'constraint %', array_to_string(v_left.refused[:20], ', '),
                v_column.column_name, p_table, v_left.problem
                USING ERRCODE = 'PR023', HINT = 'Relax the constraint at the course.';
        END IF;
    END LOOP;
END
$blank$;

COMMENT ON FUNCTION pyrepl.blank(regclass, name, bigint[]) IS
    'makes user rows nobody''s; part of erase';
REVOKE ALL ON FUNCTION pyrepl.blank(regclass, name, bigint[]) FROM PUBLIC;
