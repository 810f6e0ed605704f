-- Whether user i is a member at a database, and whether that may know of the user at all:
-- of members and of its copies. Nobody else's data go there, whatever it says.
-- Slots: database, enrollment_active, enrollment_course, enrollment_table,
--   enrollment_user
SELECT e.member, e.member OR EXISTS (
    SELECT FROM pyrepl.placement q
    WHERE q.user_id = i.id AND q.database_id = {database} OFFSET 0) AS known
FROM (
    SELECT EXISTS (
        SELECT FROM (
            SELECT * FROM ONLY {enrollment_table} o
            WHERE o.{enrollment_user} = i.id OFFSET 0) e
        JOIN pyrepl.hosting h ON h.course = e.{enrollment_course}
        WHERE h.database_id = {database} AND h.active
            AND {enrollment_active}) AS member OFFSET 0) e OFFSET 0
