-- What a course says of an error, where it is what our functions there say: their words,
-- with names and ids between. Anything else may hold the row that was sent, password hash
-- included: of that the SQLSTATE is kept, in words where PostgreSQL itself raises it.
CREATE OR REPLACE FUNCTION pyrepl.known_message(p_sqlstate text, p_message text)
RETURNS text
LANGUAGE plpgsql
IMMUTABLE
SET search_path = pg_catalog, pg_temp
AS $known_message$
DECLARE
    v_name CONSTANT text := '[\w .,"()\[\]-]{1,128}';
    v_ids CONSTANT text := '[0-9, -]+';
    v_sqlstate text := CASE WHEN p_sqlstate ~ '^[0-9A-Z]{5}$' THEN p_sqlstate ELSE '-' END;
    v_words text := CASE p_sqlstate
        WHEN '08006' THEN 'the connection to the course was lost'
        WHEN '22001' THEN 'a value is too long for its column at the course'
        WHEN '22P02' THEN 'a value is none of its type at the course'
        WHEN '23502' THEN 'a column of the course needs a value'
        WHEN '23503' THEN 'a foreign key of the course is violated'
        WHEN '23505' THEN 'a unique value is taken at the course'
        WHEN '23514' THEN 'a check of the course is violated'
        WHEN '23P01' THEN 'an exclusion constraint of the course is violated'
        WHEN '25006' THEN 'the course database is read-only'
        WHEN '40001' THEN 'the course changed the same row at the same time'
        WHEN '42501' THEN 'a right is missing at the course'
        WHEN '42883' THEN 'a function is missing at the course'
        WHEN '42P01' THEN 'a table or view is missing at the course'
        WHEN '42703' THEN 'a column is missing at the course'
        WHEN '53300' THEN 'the course has no connection free'
        WHEN '55P03' THEN 'a row or table of the course is locked'
        WHEN '57014' THEN 'the course has cancelled a statement, or it took too long there'
        WHEN '57P01' THEN 'the course ended the connection'
        WHEN 'PR011' THEN
            'this course database holds another contract than the portal sends in'
        WHEN 'PR022' THEN 'a trigger or rule of the course does not let rows be written'
        WHEN 'PR013' THEN 'this push does not follow the last one: portal or course was '
            'restored, cloned or failed over'
        ELSE 'the course refused a dossier with SQLSTATE ' || v_sqlstate END;
    v_form text := CASE p_sqlstate
        WHEN 'PR010' THEN 'this course database belongs to portal [0-9/]*, '
            'the push came from portal [0-9/]+'
        WHEN 'PR012' THEN 'table N is no ordinary table any more'
            '|column N of N (is in the contract and not at the course any more'
            '|was N when the course was registered and is N now)'
        WHEN 'PR015' THEN 'pyrepl_([0-9a-f]+_[0-9]+_)?owner lacks rights at the course: N'
        WHEN 'PR020' THEN 'local account in the way: user I of the course '
            '(is not a copy|holds a value of N that must be unique)'
        WHEN 'PR021' THEN 'the copy of user I holds a value of N that must be unique'
        WHEN 'PR022' THEN
            'N of N (makes other rows of those that are|keeps rows from being) written'
        WHEN 'PR023' THEN 'user I cannot be erased: column N of N takes no other value, '
            'constraint N|users exchange a value of N, and no column of N takes another '
            'one in between'
        WHEN 'PR030' THEN 'user I is a copy: (no row of N may be added here'
            '|its row of N may not be deleted here|in N these may not be changed here: N)'
        ELSE '-' END
        || '|(' || v_words || ')(, table N)?(, column N)?(, constraint N)?(, in N)?';
BEGIN
    v_form := replace(replace(v_form, 'N', v_name), 'I', v_ids);
    RETURN CASE WHEN length(p_message) <= 1000 AND p_message ~ ('^(' || v_form || ')$')
        THEN pyrepl.clean_text(p_message, 500) ELSE v_words END;
END
$known_message$;

COMMENT ON FUNCTION pyrepl.known_message(text, text) IS
    'what a course says of an error, if it cannot hold the value of a row';
REVOKE ALL ON FUNCTION pyrepl.known_message(text, text) FROM PUBLIC;
