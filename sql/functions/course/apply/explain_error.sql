-- Say what went wrong in apply without a value of any row: our own messages as they are
-- (raised by a function of ours: the first line of the context says it, in whatever
-- language), of others only the SQLSTATE and the names of table, column, constraint and
-- function: a trigger may use our SQLSTATEs.
CREATE OR REPLACE FUNCTION pyrepl.explain_error(
    p_sqlstate text, p_message text, p_table text, p_column text, p_constraint text,
    p_context text)
RETURNS text
LANGUAGE sql
STABLE
SET search_path = pg_catalog, pg_temp
AS $explain_error$
    SELECT CASE WHEN p_sqlstate LIKE 'PR%'
        AND (p_context IS NULL OR split_part(p_context, E'\n', 1) ~ '\mpyrepl\.\w+\(')
        THEN p_message ELSE
        CASE p_sqlstate
            WHEN '22001' THEN 'a value is too long for its column at the course'
            WHEN '22P02' THEN 'a value is none of its type at the course'
            WHEN '23502' THEN 'a column of the course needs a value'
            WHEN '23503' THEN 'a foreign key of the course is violated'
            WHEN '23505' THEN 'a unique value is taken at the course'
            WHEN '23514' THEN 'a check of the course is violated'
            WHEN '23P01' THEN 'an exclusion constraint of the course is violated'
            WHEN '40001' THEN 'the course changed the same row at the same time'
            WHEN '42501' THEN 'a right is missing at the course'
            WHEN '42703' THEN 'a column is missing at the course'
            WHEN '42883' THEN 'a function is missing at the course'
            WHEN '42P01' THEN 'a table or view is missing at the course'
            WHEN '55P03' THEN 'a row or table of the course is locked'
            ELSE 'the course refused a dossier with SQLSTATE ' || p_sqlstate END
        || coalesce(', table ' || nullif(p_table, ''), '')
        || coalesce(', column ' || nullif(p_column, ''), '')
        || coalesce(', constraint ' || nullif(p_constraint, ''), '')
        || coalesce(', in ' || (SELECT f.found[1] FROM regexp_match(p_context,
            'function ((?!pyrepl\.)[^ ]+\([^)]*\))') f(found)), '')
        END;
$explain_error$;

COMMENT ON FUNCTION pyrepl.explain_error(text, text, text, text, text, text) IS
    'a message about an error of apply that holds names and no values';
REVOKE ALL ON FUNCTION pyrepl.explain_error(text, text, text, text, text, text) FROM PUBLIC;
