-- Capture on the enrollment table: one change row a statement, naming (user, course)
-- pairs, before and after. It reads no enrollments: route does, after the commit, which is
-- what makes it right under every isolation level. Writes: change. Locks: none.
CREATE OR REPLACE FUNCTION pyrepl.capture_enrollment()
RETURNS trigger
LANGUAGE plpgsql
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET row_security = off
AS $capture_enrollment$
DECLARE
    v_users bigint[];
    v_courses text[];
    v_everyone boolean := false;
BEGIN
    BEGIN
        IF TG_OP = 'UPDATE' THEN
            WITH changed AS (
                SELECT n.{enrollment_user} AS new_user, n.{enrollment_course} AS new_course,
                    o.{enrollment_user} AS old_user, o.{enrollment_course} AS old_course
                FROM new_rows n
                FULL JOIN old_rows o ON o.{enrollment_key} = n.{enrollment_key}
                WHERE n.{enrollment_key} IS NULL OR o.{enrollment_key} IS NULL
                    OR ROW({enrollment_new})::record *<> ROW({enrollment_old})::record)
            SELECT array_agg(e.id), array_agg(e.course) INTO v_users, v_courses
            FROM (
                SELECT c.new_user AS id, c.new_course AS course
                FROM changed c WHERE c.new_user IS NOT NULL
                UNION
                SELECT c.old_user, c.old_course
                FROM changed c WHERE c.old_user IS NOT NULL) e;
        ELSIF TG_OP = 'INSERT' THEN
            SELECT array_agg(n.{enrollment_user}), array_agg(n.{enrollment_course})
            INTO v_users, v_courses FROM new_rows n;
        ELSIF TG_OP = 'DELETE' THEN
            SELECT array_agg(o.{enrollment_user}), array_agg(o.{enrollment_course})
            INTO v_users, v_courses FROM old_rows o;
        END IF;
    EXCEPTION WHEN OTHERS THEN
        BEGIN
            SELECT array_agg(e.id), array_agg(e.course) INTO v_users, v_courses
            FROM (
                SELECT n.{enrollment_user} AS id, n.{enrollment_course} AS course
                FROM new_rows n
                UNION SELECT o.{enrollment_user}, o.{enrollment_course} FROM old_rows o) e;
        EXCEPTION WHEN OTHERS THEN
            v_everyone := true;
        END;
    END;
    IF TG_OP = 'TRUNCATE' THEN
        PERFORM pyrepl.require_truncate_seen(TG_RELID);
        BEGIN
            SELECT array_agg(e.{enrollment_user}), array_agg(e.{enrollment_course})
            INTO v_users, v_courses FROM {enrollment_table} e;
        EXCEPTION WHEN undefined_column THEN
            v_everyone := true;
        END;
    END IF;

    IF v_users IS NOT NULL OR v_everyone THEN
        INSERT INTO pyrepl.change (users, courses, priority, immediate)
        VALUES (v_users, v_courses, (v_everyone OR cardinality(v_users) > 1000)::integer,
            coalesce(cardinality(v_users), 21) <= 20
                AND (SELECT s.immediate FROM pyrepl.settings s) IS TRUE);
    END IF;
    RETURN NULL;
END
$capture_enrollment$;

COMMENT ON FUNCTION pyrepl.capture_enrollment() IS
    'notes which (user, course) pairs a statement on the enrollment table has changed';
REVOKE ALL ON FUNCTION pyrepl.capture_enrollment() FROM PUBLIC;
