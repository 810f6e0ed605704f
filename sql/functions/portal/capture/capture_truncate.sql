-- Capture of TRUNCATE, before it, as the deletion of every row. Its argument says which
-- table it is: user, profile or enrollment. Where the rows cannot be read (the table was
-- renamed, a policy hides them, a right is lacking) everybody counts as changed.
-- Writes: see note_change. Locks: none.
-- Owner: pyrepl_capture
CREATE OR REPLACE FUNCTION pyrepl.capture_truncate()
RETURNS trigger
LANGUAGE plpgsql
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $capture_truncate$
DECLARE
    v_users bigint[];
    v_courses text[];
    v_all boolean := false;
BEGIN
    IF current_setting('transaction_isolation') <> 'read committed' THEN
        PERFORM pyrepl.require_truncate_seen(TG_RELID);
    END IF;
    BEGIN
        SELECT r.users, r.courses INTO v_users, v_courses
        FROM pyrepl.users_of_table(TG_ARGV[0]) r;
    EXCEPTION WHEN OTHERS THEN
        v_all := true;
    END;

    BEGIN
        IF v_all AND TG_ARGV[0] = 'user' THEN
            PERFORM pyrepl.note_all_gone();
        END IF;
        IF v_users IS NOT NULL OR v_all THEN
            PERFORM pyrepl.note_change(
                v_users, v_courses, CASE TG_ARGV[0] WHEN 'user' THEN v_users END);
        END IF;
    EXCEPTION WHEN OTHERS THEN
        BEGIN
            INSERT INTO pyrepl.uncaptured (part, sqlstate) VALUES (TG_ARGV[0], SQLSTATE);
        EXCEPTION WHEN OTHERS THEN
            RAISE WARNING 'not captured: %', SQLERRM USING HINT = 'pyreplctl install';
        END;
    END;
    RETURN NULL;
END
$capture_truncate$;

COMMENT ON FUNCTION pyrepl.capture_truncate() IS
    'notes whose rows a TRUNCATE takes away';
REVOKE ALL ON FUNCTION pyrepl.capture_truncate() FROM PUBLIC;
