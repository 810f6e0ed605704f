-- The ids in a text that should be an array of users, the first thousand; none where it
-- is anything else. The text comes from a course: a cast would raise what it likes.
CREATE OR REPLACE FUNCTION pyrepl.ids_in(p_text text)
RETURNS bigint[]
LANGUAGE sql
IMMUTABLE
SET search_path = pg_catalog, pg_temp
AS $ids_in$
    SELECT CASE WHEN length(p_text) <= 100000 AND p_text ~ '^\{-?\d{1,18}(,-?\d{1,18})*\}$'
        THEN ARRAY(SELECT DISTINCT i.id FROM unnest((p_text::bigint[])[:1000]) i(id))
        ELSE '{}' END;
$ids_in$;

COMMENT ON FUNCTION pyrepl.ids_in(text) IS
    'the users that a course names in the detail of an error';
REVOKE ALL ON FUNCTION pyrepl.ids_in(text) FROM PUBLIC;
