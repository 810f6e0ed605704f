-- The trigger of the view digest: answer what the UPDATE asks. With users and no range:
-- their rows, by a hash a column, as JSON. Else digests of buckets of users.
CREATE OR REPLACE FUNCTION pyrepl.answer_digest()
RETURNS trigger
LANGUAGE plpgsql
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET row_security = off
AS $answer_digest$
DECLARE
    v_first bigint := NEW.first;
    v_last bigint;
    v_digests bytea;
BEGIN
    IF NEW.shift IS NULL THEN
        NEW.rows := (
            SELECT json_agg(r)::text FROM pyrepl.digest_rows(NEW.users, NEW.seed) r);
    ELSIF NEW.sums AND NEW.shift = 63 THEN
        NEW.digests := pyrepl.digest_total(NEW.first, NEW.last, NEW.seed);
    ELSIF NEW.sums THEN
        NEW.digests := pyrepl.digest_sums(NEW.first, NEW.last, NEW.shift, NEW.seed);
    ELSIF NEW.users IS NOT NULL THEN
        NEW.digests :=
            pyrepl.digest_buckets(NEW.users, NULL, NULL, NEW.shift, NEW.seed);
    ELSE
        -- In steps that fit the processor's cache; ids of nobody are skipped.
        LOOP
            SELECT min(c.user_id) INTO v_first FROM pyrepl.copy c
            WHERE c.user_id >= v_first AND c.user_id < NEW.last;
            EXIT WHEN v_first IS NULL;
            v_first := greatest(v_first & -16384, NEW.first);
            v_last := least(v_first | 16383, NEW.last - 1) + 1;
            v_digests := pyrepl.digest_buckets(NULL, v_first, v_last, NEW.shift, NEW.seed);
            NEW.digests := coalesce(NEW.digests || v_digests, NEW.digests, v_digests);
            v_first := v_last;
        END LOOP;
    END IF;
    RETURN NEW;
END
$answer_digest$;

COMMENT ON FUNCTION pyrepl.answer_digest() IS
    'answers what verify asks of a course database; trigger of the view digest';
REVOKE ALL ON FUNCTION pyrepl.answer_digest() FROM PUBLIC;
