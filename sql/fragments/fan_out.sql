-- Whom the changes of a CTE `taken` concern, and at which databases: by the copies, the
-- hosting and the enrollments of now; what route asks. Enrollments are asked for all at
-- once: whoever reads them has other rights than route (see refuse_tables).
-- OFFSET 0: each user is looked up, in whatever state the tables were when the session made
-- its plan. A join may be planned as a scan of all while a table is small, and is a product
-- when it has grown. Pairs come more than once: who asks groups them.
-- Slots: fan_out_users
{fan_out_users}
UNION ALL
-- backfill and repair: these users of one database
SELECT t.database_id, u.id, t.priority, t.at
FROM taken t
CROSS JOIN LATERAL unnest(t.users) u(id)
WHERE t.database_id IS NOT NULL
UNION ALL
-- everybody (of one database, of some courses)
SELECT a.databases[e.place], e.user_id, a.priorities[e.place], a.ats[e.place]
FROM (
    SELECT array_agg(h.course) AS courses, array_agg(h.database_id) AS databases,
        array_agg(t.priority) AS priorities, array_agg(t.at) AS ats
    FROM taken t
    JOIN pyrepl.hosting h ON h.database_id = coalesce(t.database_id, h.database_id)
        AND (t.courses IS NULL OR h.course = ANY (t.courses))
    WHERE t.users IS NULL
    HAVING count(*) > 0) a
CROSS JOIN LATERAL pyrepl.users_enrolled(a.courses) e
UNION ALL
SELECT p.database_id, p.user_id, t.priority, t.at
FROM taken t
JOIN pyrepl.placement p ON p.database_id = coalesce(t.database_id, p.database_id)
WHERE t.users IS NULL AND t.courses IS NULL
UNION ALL
-- a delivery in hand may yet leave a copy that nothing else tells of
SELECT o.database_id, o.user_id, t.priority, t.at
FROM taken t
CROSS JOIN pyrepl.outbox o
WHERE t.users IS NULL AND t.courses IS NULL AND t.database_id IS NULL AND o.id > 0
