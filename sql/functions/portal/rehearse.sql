-- Push the dossiers of a few members as the link role, and take it back: what would keep
-- deliveries from working speaks now. Raises what the push raises.
CREATE OR REPLACE FUNCTION pyrepl.rehearse(p_database integer)
RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
SET row_security = off
AS $rehearse$
DECLARE
    v_tag uuid;
    v_users bigint[];
BEGIN
    SELECT c.tag INTO v_tag FROM pyrepl.chain c
    WHERE c.database_id = p_database ORDER BY c.id DESC LIMIT 1;
    v_users := ARRAY(
        SELECT DISTINCT e.{enrollment_user}
        FROM pyrepl.hosting h
        JOIN {enrollment_table} e ON e.{enrollment_course} = h.course
        WHERE h.database_id = p_database AND h.active AND NOT EXISTS (
            SELECT FROM pyrepl.placement p
            WHERE p.user_id = e.{enrollment_user} AND p.database_id = p_database)
        LIMIT 10);
    BEGIN
        EXECUTE format('SELECT pyrepl.push_%s($1, $2, $3, false)', p_database)
            USING '{{}}'::bigint[], v_tag, gen_random_uuid();
        RAISE 'rehearsed' USING ERRCODE = 'PR000';
    EXCEPTION WHEN SQLSTATE 'PR000' THEN
        NULL;
    END;
    BEGIN
        EXECUTE format('SELECT pyrepl.push_%s($1, $2, $3, true)', p_database)
            USING v_users, v_tag, gen_random_uuid();
        RAISE 'rehearsed' USING ERRCODE = 'PR000';
    EXCEPTION WHEN SQLSTATE 'PR000' OR SQLSTATE 'PR020' OR unique_violation THEN
        NULL;  -- accounts in the way are registration's next question
    END;
END
$rehearse$;

COMMENT ON FUNCTION pyrepl.rehearse(integer) IS
    'tries a push to a course database and takes it back';
REVOKE ALL ON FUNCTION pyrepl.rehearse(integer) FROM PUBLIC;
