-- The only thing of a course database that the portal writes: one row, nothing stored.
-- Slots: link_role
CREATE OR REPLACE VIEW pyrepl.inbox AS
SELECT NULL::text AS portal,
    NULL::text AS contract,
    NULL::uuid AS prev,
    NULL::uuid AS tag,
    NULL::uuid AS epoch,
    NULL::xid8 AS xid,
    NULL::bigint[] AS settled,
    NULL::boolean AS adopt,
    NULL::bigint[] AS ids,
    NULL::bigint[] AS generations,
    NULL::boolean[] AS members,
    NULL::boolean[] AS frozen,
    NULL::text AS users,
    NULL::text AS profiles,
    NULL::text AS enrollments,
    NULL::bigint[] AS copies,
    NULL::bigint[] AS again;

COMMENT ON VIEW pyrepl.inbox IS
    'A push is one UPDATE of this view: contract, tags or receipt, the users it is about, '
    'and their rows as arrays of composites. It answers with the copies that are here, '
    'and with users to send again.';
GRANT SELECT, UPDATE ON pyrepl.inbox TO {link_role};
