-- Whether an error came over a link, whatever its SQLSTATE: a course chooses that. Either
-- its context names the command that was sent, by the name of the view there, which no
-- foreign table has: they end in a number. Or an answer is not of its type: then the first
-- line of the context names the alias that foreign tables have where they are read, and is
-- no line of our statement, which names schema pyrepl. All other words depend on
-- lc_messages. What this server raises while it waits, a cancellation for one, has neither.
CREATE OR REPLACE FUNCTION pyrepl.from_course(p_context text)
RETURNS boolean
LANGUAGE sql
IMMUTABLE
SET search_path = pg_catalog, pg_temp
AS $from_course$
    SELECT coalesce(p_context
        ~ ('pyrepl\.(inbox|unsettled)\M|(START|COMMIT) TRANSACTION|: SET '
        || '|^(?![^\n]*pyrepl\.)[^\n]*\mtold_by_course\M'), false);
$from_course$;

COMMENT ON FUNCTION pyrepl.from_course(text) IS
    'whether the context of an error is that of a command sent to a course';
REVOKE ALL ON FUNCTION pyrepl.from_course(text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION pyrepl.from_course(text) TO pyrepl_worker;
