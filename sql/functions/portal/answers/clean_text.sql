-- A text of a course, or of a user, as it may be kept and shown: cut, and without what
-- steers a terminal or turns the direction of what stands beside it.
-- Characters of C0 and C1, separators of lines and marks of direction become one space.
CREATE OR REPLACE FUNCTION pyrepl.clean_text(p_text text, p_most integer)
RETURNS text
LANGUAGE sql
IMMUTABLE
SET search_path = pg_catalog, pg_temp
AS $clean_text$
    SELECT left(regexp_replace(left(p_text, 2 * p_most),
        '[\u0001-\u0020\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]+',
        ' ', 'g'), p_most);
$clean_text$;

COMMENT ON FUNCTION pyrepl.clean_text(text, integer) IS
    'a text without control characters, cut';
REVOKE ALL ON FUNCTION pyrepl.clean_text(text, integer) FROM PUBLIC;
