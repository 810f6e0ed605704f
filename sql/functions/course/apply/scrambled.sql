-- A random text of the same shape: digits for digits, small letters for small ones, and
-- so on, in the part that the pattern's parentheses choose. So it mostly passes the checks
-- that the old one has passed, and says nothing of it. Letters of hexadecimal digits stay
-- such: it is used on the text of other types too.
CREATE OR REPLACE FUNCTION pyrepl.scrambled(p_text text, p_pattern text)
RETURNS text
LANGUAGE sql
VOLATILE
SET search_path = pg_catalog, pg_temp
AS $scrambled$
    SELECT left(p_text, p.at - 1) || (
            SELECT string_agg(CASE
                WHEN c.c ~ '[0-9]' THEN (r.r % 10)::text
                WHEN c.c ~ '[a-f]' THEN chr(97 + r.r % 6)
                WHEN c.c ~ '[A-F]' THEN chr(65 + r.r % 6)
                WHEN c.c ~ '[A-Z]' THEN chr(65 + r.r % 26)
                WHEN c.c ~ '[[:alpha:]]' THEN chr(97 + r.r % 26)
                ELSE c.c END, '' ORDER BY c.n)
            FROM regexp_split_to_table(p.part, '') WITH ORDINALITY c(c, n)
            CROSS JOIN LATERAL (
                SELECT floor(random() * 1000000)::integer + 0 * c.n::integer) r(r))
        || substr(p_text, p.at + length(p.part))
    FROM (SELECT substring(p_text FROM p_pattern)) f(part)
    CROSS JOIN LATERAL (
        SELECT f.part, strpos(p_text, f.part) WHERE f.part <> '') p(part, at);
$scrambled$;

COMMENT ON FUNCTION pyrepl.scrambled(text, text) IS
    'a random text of the same shape; part of placeholders';
REVOKE ALL ON FUNCTION pyrepl.scrambled(text, text) FROM PUBLIC;
