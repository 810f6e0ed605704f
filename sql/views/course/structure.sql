-- What this course database can tell of its own structure, for verification.
-- Slots: link_role
CREATE OR REPLACE VIEW pyrepl.structure AS
SELECT * FROM pyrepl.structure_rows();

COMMENT ON VIEW pyrepl.structure IS
    'What this course database can tell of its own structure, for verification.';
GRANT SELECT ON pyrepl.structure TO {link_role};
