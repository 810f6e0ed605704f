-- Keep what a run of verify has found: a JSON array with an object for each database.
-- The history is the word of whoever is named in it ("by"): a member of pyrepl_worker,
-- or of the owner; who may only look keeps nothing. Bounded: the last 20,000 rows.
-- Writes: verification.
CREATE OR REPLACE FUNCTION pyrepl.note_verification(p_found jsonb)
RETURNS void
LANGUAGE sql
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $note_verification$
    INSERT INTO pyrepl.verification (name, ok, error, structure, users, missing, stale,
        extra, former, pending, seconds)
    SELECT f.name, f.ok, left(f.error, 1000), f.structure, f.users, f.missing, f.stale,
        f.extra, f.former, f.pending, f.seconds
    FROM jsonb_to_recordset(p_found) f(
        name text, ok boolean, error text, structure integer, users bigint, missing bigint,
        stale bigint, extra bigint, former bigint, pending bigint,
        seconds double precision)
    LIMIT 10000;
    DELETE FROM pyrepl.verification v
    WHERE v.id <= (SELECT max(l.id) FROM pyrepl.verification l) - 20000;
$note_verification$;

COMMENT ON FUNCTION pyrepl.note_verification(jsonb) IS
    'keeps what a run of verify has found';
REVOKE ALL ON FUNCTION pyrepl.note_verification(jsonb) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION pyrepl.note_verification(jsonb) TO pyrepl_worker;
