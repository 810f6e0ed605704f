-- Whether user i is a member at a database; whether that may know of the user at all: of
-- members and of its copies; and whether it holds a copy of this very person, not of one
-- who had the id before. Nobody else's data go there, whatever it says.
-- Slots: database, enrollment_active, enrollment_course, enrollment_table,
--   enrollment_user
SELECT e.member, e.member OR p.generation IS NOT NULL AS known,
    p.generation IS NOT NULL AND p.generation >= coalesce((
        SELECT max(d.generation) FROM pyrepl.departure d
        WHERE d.user_id = i.id), 0) AS same
FROM (
    SELECT EXISTS (
        SELECT FROM (
            SELECT * FROM ONLY {enrollment_table} o
            WHERE o.{enrollment_user} = i.id OFFSET 0) e
        JOIN pyrepl.hosting h ON h.course = e.{enrollment_course}
        WHERE h.database_id = {database} AND h.active
            AND {enrollment_active}) AS member OFFSET 0) e
LEFT JOIN LATERAL (
    SELECT q.generation FROM pyrepl.placement q
    WHERE q.user_id = i.id AND q.database_id = {database} OFFSET 0) p ON true OFFSET 0
