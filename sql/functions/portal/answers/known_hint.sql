-- What a course advises, where our functions there advise it; nothing else is repeated.
CREATE OR REPLACE FUNCTION pyrepl.known_hint(p_hint text)
RETURNS text
LANGUAGE sql
IMMUTABLE
SET search_path = pg_catalog, pg_temp
AS $known_hint$
    SELECT k.hint FROM unnest(ARRAY[
        'If the portal has moved on purpose, run "pyreplctl course refresh --rebind".',
        'Run "pyreplctl course refresh".',
        'Repair the table at the course, or run "pyreplctl course refresh".',
        'Find out which one, then run "pyreplctl course refresh --rebind".',
        'The id belongs to an account of the course. Give that account another id, or, if '
        'it is the same person, take it over with "pyreplctl course register --adopt".',
        'Relax the constraint at the course.',
        'Make the constraint DEFERRABLE at the course, or relax the CHECKs of its columns.',
        'Change that value at the course; or, if it is the same person, take it over with '
        '"pyreplctl course register --adopt".']) k(hint)
    WHERE k.hint = p_hint;
$known_hint$;

COMMENT ON FUNCTION pyrepl.known_hint(text) IS
    'what a course advises, if it is ours';
REVOKE ALL ON FUNCTION pyrepl.known_hint(text) FROM PUBLIC;
