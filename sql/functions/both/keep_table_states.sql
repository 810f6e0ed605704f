-- Keep what the tables are now: all (NULL), or one part of them. A column that is gone is
-- kept as gone: one of its name that comes back is another. Writes: table_state.
CREATE OR REPLACE FUNCTION pyrepl.keep_table_states(p_part text DEFAULT NULL)
RETURNS void
LANGUAGE sql
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $keep_table_states$
    WITH now AS MATERIALIZED (
        SELECT n.* FROM pyrepl.table_states() n WHERE p_part IS NULL OR n.part = p_part
    ), gone AS (
        DELETE FROM pyrepl.table_state k
        WHERE (p_part IS NULL OR k.part = p_part) AND k.item NOT LIKE 'column %'
            AND NOT EXISTS (
                SELECT FROM now n WHERE n.part = k.part AND n.item = k.item)
    ), dropped AS (
        UPDATE pyrepl.table_state k SET held = '', image = ''
        WHERE (p_part IS NULL OR k.part = p_part) AND k.item LIKE 'column %'
            AND k.held <> '' AND NOT EXISTS (
                SELECT FROM now n WHERE n.part = k.part AND n.item = k.item)
    )
    INSERT INTO pyrepl.table_state AS k (part, item, held, image)
    SELECT n.part, n.item, n.held, n.image FROM now n
    ON CONFLICT (part, item) DO UPDATE SET held = excluded.held, image = excluded.image
    WHERE (k.held, k.image) <> (excluded.held, excluded.image);
$keep_table_states$;

COMMENT ON FUNCTION pyrepl.keep_table_states(text) IS
    'keeps what the tables are, for later installs, status and verify to compare';
REVOKE ALL ON FUNCTION pyrepl.keep_table_states(text) FROM PUBLIC;
