-- Capture of TRUNCATE, before it, as the deletion of every row. Its argument says which
-- table it is: user, profile or enrollment. Writes: change, departure. Locks: none.
-- Slots: enrollment_course, enrollment_table, enrollment_user, profile_table,
--   profile_user, user_key, user_table
CREATE OR REPLACE FUNCTION pyrepl.capture_truncate()
RETURNS trigger
LANGUAGE plpgsql
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET row_security = off
AS $capture_truncate$
DECLARE
    v_users bigint[];
    v_courses text[];
BEGIN
    PERFORM pyrepl.require_truncate_seen(TG_RELID);
    BEGIN
        IF TG_ARGV[0] = 'user' THEN
            SELECT array_agg(u.{user_key}) INTO v_users FROM {user_table} u;
        ELSIF TG_ARGV[0] = 'profile' THEN
            SELECT array_agg(p.{profile_user}) INTO v_users FROM {profile_table} p;
        ELSE
            SELECT array_agg(e.{enrollment_user}), array_agg(e.{enrollment_course})
            INTO v_users, v_courses FROM {enrollment_table} e;
        END IF;
    EXCEPTION WHEN undefined_column THEN
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
