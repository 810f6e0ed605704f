-- How verify asks: an UPDATE of this one row that says what, RETURNING the answer. Only so
-- can a question have parameters; nothing is stored, and no value of a row is told.
-- Slots: link_role
CREATE OR REPLACE VIEW pyrepl.digest AS
SELECT NULL::bigint[] AS users,
    NULL::bigint AS first,
    NULL::bigint AS last,
    NULL::integer AS shift,
    NULL::boolean AS sums,
    NULL::bigint AS seed,
    NULL::bytea AS digests,
    NULL::text AS rows,
    (SELECT min(c.user_id) FROM pyrepl.copy c) AS lowest,
    (SELECT max(c.user_id) FROM pyrepl.copy c) AS highest;

COMMENT ON VIEW pyrepl.digest IS
    'Verify asks with an UPDATE of this view: digests of users, in buckets or row by row. '
    'It reads the least and the greatest id of a copy.';
GRANT SELECT, UPDATE ON pyrepl.digest TO {link_role};
