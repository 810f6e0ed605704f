-- For the parser alone: it refuses a call whose arguments are of different types (42883).
-- So what is planned with it is planned anew, and refused, when a migration retypes a
-- column; to look into the catalog each time would cost every push. Returns true.
CREATE OR REPLACE FUNCTION pyrepl.same_type(p_one anyelement, p_other anyelement)
RETURNS boolean
LANGUAGE sql
IMMUTABLE
SET search_path = pg_catalog, pg_temp
AS $same_type$
    SELECT true;
$same_type$;

COMMENT ON FUNCTION pyrepl.same_type(anyelement, anyelement) IS
    'true; a query that calls it with two types is refused; part of push';
REVOKE ALL ON FUNCTION pyrepl.same_type(anyelement, anyelement) FROM PUBLIC;
