-- Second step of apply: where a row of the batch gives up a unique text value that another
-- row of the batch takes, put a placeholder there first, or the exchange collides half-way.
-- Case is folded, so that an index on lower(…) is served too.
-- Writes: p_table, rows of copies only.
CREATE OR REPLACE FUNCTION pyrepl.park(
    p_table regclass, p_key name, p_user name, p_part text, p_rows anyarray)
RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $park$
DECLARE
    v_column name;
    v_parked bigint[];
BEGIN
    FOR v_column IN
        SELECT pyrepl.unique_columns(p_table, p_part)
    LOOP
        EXECUTE format($find$
            SELECT array_agg(v.holder)
            FROM (
                SELECT unnest(array_agg(w.holder) FILTER (WHERE NOT w.wanted)) AS holder
                FROM (
                    SELECT lower(t.%2$I::text) AS value, t.%1$I AS holder, false AS wanted
                    FROM unnest($1) n
                    JOIN %3$s t ON t.%1$I = n.%1$I
                    JOIN pyrepl.copy c ON c.user_id = t.%4$I
                    WHERE t.%2$I IS NOT NULL
                        AND t.%2$I::text IS DISTINCT FROM n.%2$I::text
                    UNION ALL
                    SELECT lower(n.%2$I::text), NULL, true FROM unnest($1) n) w
                GROUP BY w.value
                HAVING bool_or(w.wanted)) v
            $find$, p_key, v_column, p_table, p_user) INTO v_parked USING p_rows;
        IF v_parked IS NOT NULL THEN
            EXECUTE format('UPDATE %s t SET %I = ''~'' || t.%I WHERE t.%I = ANY ($1)',
                p_table, v_column, p_key, p_key) USING v_parked;
        END IF;
    END LOOP;
END
$park$;

COMMENT ON FUNCTION pyrepl.park(regclass, name, name, text, anyarray) IS
    'frees unique values that rows of a batch exchange; part of apply';
REVOKE ALL ON FUNCTION pyrepl.park(regclass, name, name, text, anyarray) FROM PUBLIC;
