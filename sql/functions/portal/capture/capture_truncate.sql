-- Capture of TRUNCATE, before it, as the deletion of every row. Its argument says which
-- table it is: user, profile or enrollment. Writes: change, departure. Locks: none.
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
BEGIN
    PERFORM pyrepl.require_truncate_seen(TG_RELID);
    BEGIN
        SELECT r.users, r.courses INTO v_users, v_courses
        FROM pyrepl.users_of_table(TG_ARGV[0]) r;
    EXCEPTION WHEN insufficient_privilege THEN
        RAISE;  -- a policy hides rows: what vanishes could not be named
    WHEN OTHERS THEN  -- see capture_user
        INSERT INTO pyrepl.change (priority) VALUES (1);
        RETURN NULL;
    END;

    IF TG_ARGV[0] = 'user' THEN
        INSERT INTO pyrepl.departure (user_id) SELECT u.id FROM unnest(v_users) u(id);
    END IF;
    IF v_users IS NOT NULL THEN
        INSERT INTO pyrepl.change (users, courses, priority, immediate)
        VALUES (v_users, v_courses, (cardinality(v_users) > 1000)::integer,
            cardinality(v_users) <= 20
                AND (SELECT s.immediate FROM pyrepl.settings s) IS TRUE);
    END IF;
    RETURN NULL;
END
$capture_truncate$;

COMMENT ON FUNCTION pyrepl.capture_truncate() IS
    'notes whose rows a TRUNCATE takes away';
REVOKE ALL ON FUNCTION pyrepl.capture_truncate() FROM PUBLIC;
