-- Part of apply, where it runs into a unique value. Rows of the batch that are to be
-- written collide with rows that are there: where these are of the batch too, or of nobody,
-- they give up their value first, or the exchange collides half-way. A local account in the
-- way is PR020, a copy that is not of the batch PR021, with the users as DETAIL: the portal
-- sends their dossiers along. PR023 where no column takes a value for the while.
-- Writes: p_table, rows of copies only.
CREATE OR REPLACE FUNCTION pyrepl.park(
    p_table regclass, p_key name, p_user name, p_part text, p_rows anyarray)
RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $park$
DECLARE
    v_index record;
    v_place record;
    v_keys bigint[];
BEGIN
    PERFORM pyrepl.refuse_holders(p_table, p_key, p_user, p_part, p_rows);
    FOR v_index IN
        SELECT c.index_name, c.columns FROM pyrepl.unique_indexes(
            p_table, p_part, p_key, p_user) c WHERE c.immediate
    LOOP
        FOR v_place IN
            SELECT c.name, v.value
            FROM unnest(v_index.columns) WITH ORDINALITY c(name, n)
            CROSS JOIN LATERAL unnest(pyrepl.placeholders(p_table, c.name, false, true))
                WITH ORDINALITY v(value, n)
            UNION ALL SELECT NULL, NULL
        LOOP
            v_keys := ARRAY(
                SELECT DISTINCT c.key FROM pyrepl.collisions(
                    p_table, p_key, p_user, p_part, p_rows, v_index.index_name) c);
            EXIT WHEN v_keys = '{}';
            IF v_place.name IS NULL THEN
                RAISE 'users exchange a value of %, and no column of % takes another one '
                    'in between', v_index.index_name, p_table USING ERRCODE = 'PR023',
                    HINT = 'Make the constraint DEFERRABLE at the course, or relax the '
                    'CHECKs of its columns.';
            END IF;
            PERFORM pyrepl.put_value(
                p_table, p_key, v_keys, v_place.name, ARRAY[v_place.value]);
        END LOOP;
    END LOOP;
END
$park$;

COMMENT ON FUNCTION pyrepl.park(regclass, name, name, text, anyarray) IS
    'frees unique values that rows of a batch exchange; part of apply';
REVOKE ALL ON FUNCTION pyrepl.park(regclass, name, name, text, anyarray) FROM PUBLIC;
