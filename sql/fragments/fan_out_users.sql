-- Whom changes of users concern, and at which databases, given a CTE `taken` with changes:
-- asked by deliver_at_commit, and the first part of fan_out. Pairs come more than once.
-- Slots: reaches_copies
-- users: wherever a copy is, and wherever they are members
SELECT p.database_id, u.id AS user_id, t.priority, t.at
FROM taken t
CROSS JOIN LATERAL unnest(t.users) u(id)
CROSS JOIN LATERAL (SELECT * FROM pyrepl.placement q WHERE q.user_id = u.id OFFSET 0) p
WHERE {reaches_copies} AND t.database_id IS NULL
UNION ALL
SELECT h.database_id, e.user_id, a.priorities[e.place], a.ats[e.place]
FROM (
    SELECT array_agg(u.id) AS users, array_agg(t.priority) AS priorities,
        array_agg(t.at) AS ats
    FROM taken t
    CROSS JOIN LATERAL unnest(t.users) u(id)
    WHERE {reaches_copies} AND t.database_id IS NULL
    HAVING count(*) > 0) a
CROSS JOIN LATERAL pyrepl.enrollments_of(a.users) e
CROSS JOIN LATERAL (
    SELECT * FROM pyrepl.hosting g WHERE g.course = e.course AND g.active OFFSET 0) h
UNION ALL
-- enrollments: wherever the course is or was hosted
SELECT h.database_id, u.id, t.priority, t.at
FROM taken t
CROSS JOIN LATERAL unnest(t.users, t.courses) u(id, course)
CROSS JOIN LATERAL (SELECT * FROM pyrepl.hosting g WHERE g.course = u.course OFFSET 0) h
WHERE t.database_id IS NULL
