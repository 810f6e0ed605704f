-- Where a user should be, where a copy is, what waits and what failed: one row for each
-- course database that the user has to do with.
CREATE OR REPLACE FUNCTION pyrepl.explain_user(p_user bigint)
RETURNS TABLE (
    database text, delivery text, state text, health text, reason text,
    courses text[], copy boolean, pending boolean,
    attempts integer, due_at timestamptz, letter bigint, message text, hint text)
LANGUAGE sql
STABLE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $explain_user$
    WITH enrolled AS MATERIALIZED (
        SELECT e.course, e.counts FROM pyrepl.courses_of_user(p_user) e)
    SELECT d.name, pyrepl.effective_delivery(d, h), d.state, h.health,
        coalesce(pyrepl.contract_problem(d.contract_id), h.message),
        m.courses, p.user_id IS NOT NULL, w.pending,
        r.attempts, r.due_at, r.id, r.message, r.hint
    FROM pyrepl.database d
    JOIN pyrepl.health h ON h.database_id = d.id
    LEFT JOIN pyrepl.placement p ON p.database_id = d.id AND p.user_id = p_user
    LEFT JOIN pyrepl.retry r ON r.database_id = d.id AND r.user_id = p_user
    CROSS JOIN LATERAL (
        SELECT ARRAY(
            SELECT e.course FROM enrolled e
            JOIN pyrepl.hosting g ON g.course = e.course
            WHERE g.database_id = d.id AND g.active AND e.counts
            ORDER BY 1)) m(courses)
    CROSS JOIN LATERAL (
        SELECT EXISTS (SELECT FROM pyrepl.outbox o
            WHERE o.database_id = d.id AND o.user_id = p_user
                AND o.id > pyrepl.outbox_mark_of(d.id, o.priority))) w(pending)
    WHERE m.courses <> '{}' OR p.user_id IS NOT NULL OR r.user_id IS NOT NULL OR w.pending
    ORDER BY d.name;
$explain_user$;

COMMENT ON FUNCTION pyrepl.explain_user(bigint) IS
    'how a user stands with each course database: what pyreplctl explain shows';
REVOKE ALL ON FUNCTION pyrepl.explain_user(bigint) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION pyrepl.explain_user(bigint) TO pyrepl_monitor;
