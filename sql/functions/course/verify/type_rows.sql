-- What the columns of the tables hold, as JSON, to be compared with the portal's.
-- Slots: column_types
CREATE OR REPLACE FUNCTION pyrepl.type_rows(p_tables text[])
RETURNS TABLE (kind text, name text, state text, source text, held text, problem text)
LANGUAGE sql
STABLE
SET search_path = pg_catalog, pg_temp
SET quote_all_identifiers = off
AS $type_rows$
    SELECT 'meaning', row_number() OVER ()::text, 'current', NULL, t.line, NULL
    FROM ({column_types}) t;
$type_rows$;

COMMENT ON FUNCTION pyrepl.type_rows(text[]) IS
    'what the columns of tables hold, down to the types of PostgreSQL';
REVOKE ALL ON FUNCTION pyrepl.type_rows(text[]) FROM PUBLIC;
