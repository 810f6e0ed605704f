-- Of the users that a course has named, those to whose dossiers it has a claim: members and
-- copies. Others may be copies that the portal has lost, and are told to go (their dossiers
-- are empty), unless much is waiting already: a course could name anybody, without end.
CREATE OR REPLACE FUNCTION pyrepl.users_to_tell(p_database integer, p_users bigint[])
RETURNS bigint[]
LANGUAGE plpgsql
STABLE
SET search_path = pg_catalog, pg_temp
AS $users_to_tell$
DECLARE
    v_waiting integer := (
        SELECT count(*) FROM unnest('{0,1}'::integer[]) p(priority)
        CROSS JOIN LATERAL (
            SELECT pyrepl.outbox_mark_of(p_database, p.priority) AS id OFFSET 0) m
        CROSS JOIN LATERAL (
            SELECT FROM pyrepl.outbox o
            WHERE o.database_id = p_database AND o.priority = p.priority
                AND o.id > 0 AND o.id > m.id
            LIMIT 10000) w);
BEGIN
    IF v_waiting < 10000 THEN
        RETURN ARRAY(
            SELECT DISTINCT i.id FROM unnest(p_users) i(id) WHERE i.id IS NOT NULL);
    END IF;
    RETURN pyrepl.users_known(p_database, p_users);
END
$users_to_tell$;

COMMENT ON FUNCTION pyrepl.users_to_tell(integer, bigint[]) IS
    'which users that a course has named are sent, be it to say that they are to go';
REVOKE ALL ON FUNCTION pyrepl.users_to_tell(integer, bigint[]) FROM PUBLIC;
