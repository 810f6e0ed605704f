-- Queue everybody, where something may have been missed or the caller knows of it
-- (p_known), and keep what the tables are now. After the triggers are in order: what is
-- written from now on is seen. In REPEATABLE READ: what is noted, or done to a table, while
-- this runs is left for the next time. Returns what was missed.
-- Writes: change, uncaptured, and as keep_table_states.
CREATE OR REPLACE FUNCTION pyrepl.catch_up(p_known text[])
RETURNS text[]
LANGUAGE plpgsql
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $catch_up$
DECLARE
    v_missed text[] := ARRAY(
        SELECT m.name || ': ' || m.problem FROM pyrepl.missed_changes() m
        UNION SELECT k FROM unnest(p_known) k ORDER BY 1);
BEGIN
    DELETE FROM pyrepl.uncaptured;
    PERFORM pyrepl.keep_table_states();
    IF v_missed <> '{}' THEN
        INSERT INTO pyrepl.change (priority) VALUES (1);
    END IF;
    RETURN v_missed;
END
$catch_up$;

COMMENT ON FUNCTION pyrepl.catch_up(text[]) IS
    'queues everybody where changes may have been missed; returns why';
REVOKE ALL ON FUNCTION pyrepl.catch_up(text[]) FROM PUBLIC;
