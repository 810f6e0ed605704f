-- Which dossiers go with those of a batch that ran into unique values of other copies: the
-- holders, and whoever else waits and holds what one of these takes, and so on. The course
-- is asked once, about the batch and up to 5,000 who wait: six hundred names that have
-- moved on by one go in one step. Returns the holders, of those who have been asked about
-- alone, whatever the course says. A course of an older version is not asked.
-- Remote: one UPDATE that writes nothing. Part of deliver.
CREATE OR REPLACE FUNCTION pyrepl.bring_along(p_health pyrepl.health, p_writer boolean)
RETURNS bigint[]
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $bring_along$
DECLARE
    v_batch bigint[] := p_health.intent || p_health.companions;
    v_asked bigint[];
    v_takers bigint[];
    v_holders bigint[];
    v_linked bigint[];
BEGIN
    v_asked := ARRAY(
        SELECT w.id FROM (
            SELECT o.user_id FROM unnest('{0,1}'::integer[]) p(priority)
            CROSS JOIN LATERAL (
                SELECT o.user_id FROM pyrepl.outbox o
                WHERE o.database_id = p_health.database_id AND o.priority = p.priority
                    AND o.id > 0
                    AND o.id > pyrepl.outbox_mark_of(o.database_id, p.priority)
                ORDER BY o.id LIMIT 5000) o
            UNION
            (SELECT r.user_id FROM pyrepl.retry r
            WHERE r.database_id = p_health.database_id LIMIT 5000)) w(id)
        WHERE w.id <> ALL (v_batch) LIMIT 5000);
    v_asked := v_batch || ARRAY(
        SELECT a.id FROM unnest(v_asked) a(id)
        EXCEPT SELECT b.id FROM unnest(pyrepl.users_locked_by_writers(v_asked)) b(id));
    BEGIN
        EXECUTE format('SELECT p.copies, p.again FROM pyrepl.push_%s%s('
            '$1, $1, NULL, NULL, NULL, ''{}'', false) p', p_health.database_id,
            CASE WHEN p_writer THEN '_immediate' END)
            INTO v_takers, v_holders USING v_asked;
    EXCEPTION WHEN SQLSTATE 'PR013' THEN
        RETURN p_health.companions;
    END;
    WITH RECURSIVE edge AS MATERIALIZED (
        SELECT e.taker, e.holder FROM unnest(v_takers, v_holders) e(taker, holder)
        JOIN unnest(v_asked) a(id) ON a.id = e.holder
    ), linked (id) AS (
        SELECT b.id FROM unnest(v_batch) b(id)
        UNION
        SELECT e.holder FROM linked l JOIN edge e ON e.taker = l.id
    )
    SELECT array_agg(l.id) INTO v_linked FROM linked l
    WHERE l.id = ANY (p_health.companions) OR l.id IN (
        SELECT e.holder FROM edge e JOIN linked t ON t.id = e.taker);
    RETURN v_linked;
END
$bring_along$;

COMMENT ON FUNCTION pyrepl.bring_along(pyrepl.health, boolean) IS
    'whose dossiers go with a batch that ran into unique values; part of deliver';
REVOKE ALL ON FUNCTION pyrepl.bring_along(pyrepl.health, boolean) FROM PUBLIC;
