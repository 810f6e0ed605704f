-- What a course advises, where our functions there advise it; nothing else is repeated.
-- Names of its objects are part of statements that somebody may run: one name, no more.
CREATE OR REPLACE FUNCTION pyrepl.known_hint(p_hint text)
RETURNS text
LANGUAGE plpgsql
IMMUTABLE
SET search_path = pg_catalog, pg_temp
AS $known_hint$
DECLARE
    v_name CONSTANT text := '(\w+|"[\w .-]+")';
    v_form text := concat_ws('|',
        'If the portal has moved on purpose, run "pyreplctl course refresh --rebind"\.',
        'Run "pyreplctl course refresh"\.',
        'Repair the table at the course, or run "pyreplctl course refresh"\.',
        'Find out which one, then run "pyreplctl course refresh --rebind"\.',
        'Relax the constraint at the course\.',
        'Make the constraint DEFERRABLE at the course, or relax the CHECKs of its '
        'columns\.',
        'At the course, let it leave rows of copies as they come, or disable it; then '
        '"pyreplctl dead retry"\.',
        'The id belongs to an account of the course\. Give that account another id there: '
        'SELECT pyrepl\.move_accounts\(''\{[0-9,-]+\}''\); or, if it is the same person, '
        'take it over with "pyreplctl course register --adopt"\.',
        'Change that value at the course; or, if it is the same person, take it over with '
        '"pyreplctl course register --adopt"\.',
        -- see remedy
        'It runs (with the rights of @|as @, with no schema but pg_catalog in its path)\. '
        'At the course run: ALTER FUNCTION @\.@\([\w ,.\[\]]*\)( SECURITY DEFINER)? SET '
        'search_path = @(, @)*;',
        'Policies would hide rows of copies\. At the course run: '
        '(ALTER TABLE @\.@ DISABLE ROW LEVEL SECURITY;( |$))+',
        'Give the type at the course the labels that it has on the portal: '
        '(ALTER TYPE @\.@ ADD VALUE( or |$))+',
        'At the course run: ALTER TABLE @\.@ ALTER COLUMN @ (DROP NOT NULL|SET DEFAULT '
        '(false|0|now\(\)|''''));');
BEGIN
    RETURN CASE WHEN length(p_hint) <= 1000
        AND p_hint ~ ('^(' || replace(v_form, '@', v_name) || ')$') THEN p_hint END;
END
$known_hint$;

COMMENT ON FUNCTION pyrepl.known_hint(text) IS
    'what a course advises, if it is ours';
REVOKE ALL ON FUNCTION pyrepl.known_hint(text) FROM PUBLIC;
