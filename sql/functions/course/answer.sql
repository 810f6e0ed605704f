-- The trigger of the view digest: answer what the UPDATE asks. With users and no range:
-- their rows, by a hash a column, as JSON. Else digests of buckets of users.
CREATE OR REPLACE FUNCTION pyrepl.answer()
RETURNS trigger
LANGUAGE plpgsql
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET row_security = off
AS $answer$
BEGIN
    IF NEW.shift IS NULL THEN
        NEW.rows := (
            SELECT jsonb_agg(r)::text FROM pyrepl.digest_rows(NEW.users, NEW.seed) r);
    ELSE
        -- In steps that fit the processor's cache.
        NEW.digests := (
            SELECT string_agg(pyrepl.digest_buckets(NEW.users, s.first,
                least(s.first + 16384, NEW.last), NEW.shift, NEW.seed), '' ORDER BY s.first)
            FROM generate_series(
                coalesce(NEW.first, 0), coalesce(NEW.last, 1) - 1, 16384) s(first));
    END IF;
    RETURN NEW;
END
$answer$;

COMMENT ON FUNCTION pyrepl.answer() IS
    'answers what verify asks of a course database; trigger of the view digest';
REVOKE ALL ON FUNCTION pyrepl.answer() FROM PUBLIC;
