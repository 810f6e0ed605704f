-- Ids and names of all accounts of this course database, and which of them are copies.
-- Slots: link_role
CREATE OR REPLACE VIEW pyrepl.account AS
SELECT * FROM pyrepl.account_rows();

COMMENT ON VIEW pyrepl.account IS
    'Ids and names of all accounts of this course database, and which of them are copies.';
GRANT SELECT ON pyrepl.account TO {link_role};
