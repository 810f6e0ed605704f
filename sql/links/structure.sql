-- By this verify asks one course database for its structure.
-- Slots: server, structure
CREATE FOREIGN TABLE pyrepl.{structure} (
    kind text,
    name text,
    state text,
    source text,
    held text,
    problem text
) SERVER {server} OPTIONS (schema_name 'pyrepl', table_name 'structure');
COMMENT ON FOREIGN TABLE pyrepl.{structure} IS 'What the course tells of its structure.';
