-- What this course database can tell of its own structure, for verification.
-- Slots: link_role
CREATE OR REPLACE VIEW pyrepl.structure AS
SELECT * FROM pyrepl.structure_rows()
UNION ALL
-- Here, not in the function: it has settings of its own.
SELECT 'setting', s.name, 'current', NULL,
    pg_catalog.current_setting(s.name), NULL
FROM pg_catalog.unnest('{{statement_timeout,lock_timeout,synchronous_commit,jit,
    row_security,idle_in_transaction_session_timeout}}'::text[]) s(name);

COMMENT ON VIEW pyrepl.structure IS
    'What this course database can tell of its own structure, for verification.';
GRANT SELECT ON pyrepl.structure TO {link_role};
