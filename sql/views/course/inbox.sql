-- The only thing of a course database that the portal writes: one row, nothing stored.
CREATE OR REPLACE VIEW pyrepl.inbox AS
SELECT NULL::text AS portal,
    NULL::text AS contract,
    NULL::uuid AS prev,
    NULL::uuid AS tag,
    NULL::boolean AS adopt,
    NULL::bigint[] AS ids,
    NULL::bigint[] AS generations,
    NULL::boolean[] AS members,
    NULL::text AS users,
    NULL::text AS profiles,
    NULL::text AS enrollments,
    NULL::bigint[] AS copies;

COMMENT ON VIEW pyrepl.inbox IS
    'A push is one UPDATE of this view: contract, tags, the users it is about, and '
    'their rows as arrays of composites.';
GRANT SELECT, UPDATE ON pyrepl.inbox TO {link_role};
