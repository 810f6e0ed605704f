-- Whom a change t concerns, and at which databases: by the copies, the hosting and the
-- enrollments of now; what route asks. OFFSET 0: each user is looked up, in whatever state
-- the tables were when the session made its plan. A join may be planned as a scan of all
-- while a table is small, and is a product when it has grown.
-- Pairs come more than once: who asks groups them. A UNION would make a hash table anew for
-- each change, which is two thirds of what routing it takes.
-- Slots: enrollment_course, enrollment_table, enrollment_user, fan_out_users
{fan_out_users}
UNION ALL
-- backfill and repair: these users of one database
SELECT t.database_id, u.id
FROM unnest(t.users) u(id)
WHERE t.database_id IS NOT NULL
UNION ALL
-- everybody (of one database, of some courses)
SELECT h.database_id, e.{enrollment_user}
FROM pyrepl.hosting h
JOIN {enrollment_table} e ON e.{enrollment_course} = h.course
WHERE t.users IS NULL AND h.database_id = coalesce(t.database_id, h.database_id)
    AND (t.courses IS NULL OR h.course = ANY (t.courses))
UNION ALL
SELECT p.database_id, p.user_id
FROM pyrepl.placement p
WHERE t.users IS NULL AND t.courses IS NULL
    AND p.database_id = coalesce(t.database_id, p.database_id)
UNION ALL
-- a delivery in hand may yet leave a copy that nothing else tells of
SELECT o.database_id, o.user_id
FROM pyrepl.outbox o
WHERE t.users IS NULL AND t.courses IS NULL AND t.database_id IS NULL AND o.id > 0
