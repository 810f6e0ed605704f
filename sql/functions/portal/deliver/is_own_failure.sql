-- Whether an error is the portal's own, neither a course's nor a dossier's: rights, names,
-- settings or a publication are not as they must be here, or the disk is full. Not what
-- came over a link, nor our own codes, nor a lock that was not to be had.
CREATE OR REPLACE FUNCTION pyrepl.is_own_failure(p_sqlstate text, p_context text)
RETURNS boolean
LANGUAGE sql
IMMUTABLE
SET search_path = pg_catalog, pg_temp
AS $is_own_failure$
    SELECT coalesce(p_sqlstate ~ '^(25|3F|42|53100|54|55(?!P03))', false)
        AND NOT pyrepl.from_course(p_context);
$is_own_failure$;

COMMENT ON FUNCTION pyrepl.is_own_failure(text, text) IS
    'whether an error is the portal''s own; part of delivery_failed';
REVOKE ALL ON FUNCTION pyrepl.is_own_failure(text, text) FROM PUBLIC;
