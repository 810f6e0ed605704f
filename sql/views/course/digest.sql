-- A hash for each replicated row: what verify compares with the portal.
CREATE OR REPLACE VIEW pyrepl.digest AS
SELECT * FROM pyrepl.digest_rows();

COMMENT ON VIEW pyrepl.digest IS
    'A hash for each replicated row: what verify compares with the portal.';
GRANT SELECT ON pyrepl.digest TO {link_role};
