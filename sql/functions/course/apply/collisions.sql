-- Which rows of the batch collide with rows that stand in a table now, by which index. A
-- row of the batch is taken as it will stand there: agreed columns from the batch, others
-- as they are or by their defaults, generated ones computed. Nothing is written; what the
-- table's owner has in expressions and defaults runs as it does in a write.
-- Returns the users, and the key of the row that is in the way.
CREATE OR REPLACE FUNCTION pyrepl.collisions(
    p_table regclass, p_key name, p_user name, p_part text, p_rows anyarray,
    p_index name DEFAULT NULL)
RETURNS TABLE (index_name name, columns name[], taker bigint, holder bigint, key bigint)
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $collisions$
DECLARE
    v_index record;
    v_row text;
    v_generated text;
BEGIN
    FOR v_index IN
        SELECT i.* FROM pyrepl.unique_indexes(p_table, p_part, p_key, p_user) i
        WHERE i.index_name = p_index OR p_index IS NULL
    LOOP
        SELECT string_agg(CASE
                WHEN a.attgenerated <> '' THEN NULL
                WHEN c.column_name IS NOT NULL THEN format('n.%1$I::%2$s AS %1$I',
                    a.attname, format_type(a.atttypid, a.atttypmod))
                ELSE format('CASE WHEN o.%2$I IS NULL THEN %3$s ELSE o.%1$I END AS %1$I',
                    a.attname, p_key, coalesce(f.expression, 'NULL')) END, ', '),
            string_agg(', ' || f.expression || format(' AS %I', a.attname), '')
                FILTER (WHERE a.attgenerated <> '')
        INTO v_row, v_generated
        FROM pg_attribute a
        LEFT JOIN pyrepl.contract_column c
            ON c.part = p_part AND c.column_name = a.attname
        LEFT JOIN LATERAL (
            SELECT pg_get_expr(d.adbin, d.adrelid) FROM pg_attrdef d
            WHERE d.adrelid = a.attrelid AND d.adnum = a.attnum) f(expression) ON true
        WHERE a.attrelid = p_table AND a.attnum = ANY (v_index.needed);

        RETURN QUERY EXECUTE format($find$
            WITH n AS MATERIALIZED (
                SELECT pyrepl_key, pyrepl_user, %1$s
                FROM (
                    SELECT *%2$s FROM (
                        SELECT n.%3$I AS pyrepl_key, n.%4$I AS pyrepl_user, %5$s
                        FROM unnest($1) n
                        LEFT JOIN LATERAL (
                            SELECT * FROM ONLY %6$s o
                            WHERE o.%3$I = n.%3$I AND o.%4$I = n.%4$I OFFSET 0) o
                        ON true OFFSET 0) r) r
                WHERE %7$s)
            SELECT $2, $3, n.pyrepl_user::bigint, t.pyrepl_user::bigint,
                t.pyrepl_key::bigint
            FROM n
            CROSS JOIN LATERAL (
                SELECT %3$I AS pyrepl_key, %4$I AS pyrepl_user FROM ONLY %6$s
                WHERE %8$s AND %7$s) t
            WHERE (t.pyrepl_key, t.pyrepl_user) <> (n.pyrepl_key, n.pyrepl_user)
            $find$, v_index.keys, v_generated, p_key, p_user, v_row, p_table,
            v_index.predicate, v_index.collide)
            USING p_rows, v_index.index_name, v_index.columns;
    END LOOP;
END
$collisions$;

COMMENT ON FUNCTION pyrepl.collisions(regclass, name, name, text, anyarray, name) IS
    'rows that hold what rows of a batch take; part of apply';
REVOKE ALL ON FUNCTION pyrepl.collisions(regclass, name, name, text, anyarray, name)
    FROM PUBLIC;
