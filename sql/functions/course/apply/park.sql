-- Second step of apply: where a row of the batch gives up a unique text value that another
-- row of the batch takes, put a placeholder there first, or the exchange collides half-way.
-- Case is folded, so that an index on lower() is served too.
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
        -- Who takes what is looked for only where somebody gives something up.
        EXECUTE format($find$
            WITH giving AS MATERIALIZED (
                SELECT t.%1$I AS holder, lower(t.%2$I::text) AS value
                FROM unnest($1) n
                CROSS JOIN LATERAL (
                    SELECT * FROM ONLY %3$s o WHERE o.%1$I = n.%1$I OFFSET 0) t
                JOIN pyrepl.copy c ON c.user_id = t.%4$I
                WHERE t.%2$I::text IS DISTINCT FROM n.%2$I::text)
            SELECT array_agg(g.holder) FILTER (WHERE g.value IN (
                SELECT lower(n.%2$I::text) FROM unnest($1) n))
            FROM giving g
            $find$, p_key, v_column, p_table, p_user) INTO v_parked USING p_rows;
        IF v_parked IS NOT NULL THEN
            EXECUTE format('UPDATE ONLY %s t SET %I = ''~'' || t.%I WHERE t.%I = ANY ($1)',
                p_table, v_column, p_key, p_key) USING v_parked;
        END IF;
    END LOOP;
END
$park$;

COMMENT ON FUNCTION pyrepl.park(regclass, name, name, text, anyarray) IS
    'frees unique values that rows of a batch exchange; part of apply';
REVOKE ALL ON FUNCTION pyrepl.park(regclass, name, name, text, anyarray) FROM PUBLIC;
