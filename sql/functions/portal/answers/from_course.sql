-- Whether an error came over a link: then its context names the command that was sent. Not
-- so what this server raises while it waits for the answer, a cancellation for one. The
-- words before the command depend on lc_messages; names of foreign tables end in a number.
-- Of an answer that is not of its type the first line names the column, and the message
-- quotes it.
CREATE OR REPLACE FUNCTION pyrepl.from_course(p_context text)
RETURNS boolean
LANGUAGE sql
IMMUTABLE
SET search_path = pg_catalog, pg_temp
AS $from_course$
    SELECT coalesce(p_context
        ~ ('pyrepl\.(inbox|unsettled)\M|(START|COMMIT) TRANSACTION|: SET '
        || '|^[^\n]*\m(copies|again|xid|epoch|users)\M'), false);
$from_course$;

COMMENT ON FUNCTION pyrepl.from_course(text) IS
    'whether the context of an error is that of a command sent to a course';
REVOKE ALL ON FUNCTION pyrepl.from_course(text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION pyrepl.from_course(text) TO pyrepl_worker;
