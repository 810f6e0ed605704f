-- Whom a change t of users concerns: the first part of fan_out, and what deliver_at_commit
-- asks.
-- Slots: enrollment_course, enrollment_table, enrollment_user, reaches_copies
-- users: wherever a copy is, and wherever they are members
SELECT p.database_id, p.user_id
FROM unnest(t.users) u(id)
CROSS JOIN LATERAL (SELECT * FROM pyrepl.placement q WHERE q.user_id = u.id OFFSET 0) p
WHERE {reaches_copies} AND t.database_id IS NULL
UNION ALL
SELECT h.database_id, u.id
FROM unnest(t.users) u(id)
CROSS JOIN LATERAL (
    SELECT * FROM {enrollment_table} o
    WHERE o.{enrollment_user} = u.id OFFSET 0) e
CROSS JOIN LATERAL (
    SELECT * FROM pyrepl.hosting a
    WHERE a.course = e.{enrollment_course} AND a.active OFFSET 0) h
WHERE {reaches_copies} AND t.database_id IS NULL
UNION ALL
-- enrollments: wherever the course is or was hosted
SELECT h.database_id, u.id
FROM unnest(t.users, t.courses) u(id, course)
CROSS JOIN LATERAL (SELECT * FROM pyrepl.hosting a WHERE a.course = u.course OFFSET 0) h
WHERE t.database_id IS NULL
