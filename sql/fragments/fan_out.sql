-- Whom a change t concerns, and at which databases: by the copies, the hosting and the
-- enrollments of now. Shared by route and deliver_now.
-- users: wherever a copy is, and wherever they are members
SELECT p.database_id, p.user_id
FROM unnest(t.users) u(id)
JOIN pyrepl.placement p ON p.user_id = u.id
WHERE {reaches_copies} AND t.database_id IS NULL
UNION
SELECT h.database_id, u.id
FROM unnest(t.users) u(id)
CROSS JOIN LATERAL (  -- OFFSET 0: never by way of all members of a course
    SELECT * FROM {enrollment_table} o
    WHERE o.{enrollment_user} = u.id OFFSET 0) e
JOIN pyrepl.hosting h ON h.course = e.{enrollment_course} AND h.active
WHERE {reaches_copies} AND t.database_id IS NULL
UNION
-- enrollments: wherever the course is or was hosted
SELECT h.database_id, u.id
FROM unnest(t.users, t.courses) u(id, course)
JOIN pyrepl.hosting h ON h.course = u.course
WHERE t.database_id IS NULL
UNION
-- backfill and repair: these users of one database
SELECT t.database_id, u.id
FROM unnest(t.users) u(id)
WHERE t.database_id IS NOT NULL
UNION
-- everybody (of one database, of some courses)
SELECT h.database_id, e.{enrollment_user}
FROM pyrepl.hosting h
JOIN {enrollment_table} e ON e.{enrollment_course} = h.course
WHERE t.users IS NULL AND h.database_id = coalesce(t.database_id, h.database_id)
    AND (t.courses IS NULL OR h.course = ANY (t.courses))
UNION
SELECT p.database_id, p.user_id
FROM pyrepl.placement p
WHERE t.users IS NULL AND t.courses IS NULL
    AND p.database_id = coalesce(t.database_id, p.database_id)
UNION
-- a delivery in hand may yet leave a copy that nothing else tells of
SELECT o.database_id, o.user_id
FROM pyrepl.outbox o
WHERE t.users IS NULL AND t.courses IS NULL AND t.database_id IS NULL
