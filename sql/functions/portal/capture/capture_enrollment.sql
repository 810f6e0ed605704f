-- Capture on the enrollment table: one change row a statement, naming (user, course)
-- pairs, before and after. It reads no enrollments: route does, after the commit, which is
-- what makes it right under every isolation level. Like capture_user. Locks: none.
-- Writes: see note_change.
-- Owner: pyrepl_capture
-- Slots: enrollment_course, enrollment_key, enrollment_new, enrollment_old,
--   enrollment_user
CREATE OR REPLACE FUNCTION pyrepl.capture_enrollment()
RETURNS trigger
LANGUAGE plpgsql
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $capture_enrollment$
DECLARE
    v_users bigint[];
    v_courses text[];
    v_all boolean := false;
BEGIN
    BEGIN
        IF TG_OP = 'UPDATE' THEN
            SELECT CASE WHEN ROW({enrollment_new})::record *<> ROW({enrollment_old})::record
                    THEN ARRAY[n.{enrollment_user}, o.{enrollment_user}] END,
                ARRAY[n.{enrollment_course}, o.{enrollment_course}]::text[]
            INTO STRICT v_users, v_courses
            FROM new_rows n, old_rows o;
        ELSIF TG_OP = 'INSERT' THEN
            SELECT array_agg(n.{enrollment_user}), array_agg(n.{enrollment_course})
            INTO v_users, v_courses FROM new_rows n;
        ELSE
            SELECT array_agg(o.{enrollment_user}), array_agg(o.{enrollment_course})
            INTO v_users, v_courses FROM old_rows o;
        END IF;
        IF v_users IS NOT NULL
            AND current_setting('pyrepl.captured', true) IS DISTINCT FROM 'on' THEN
            INSERT INTO pyrepl.change (users, courses, priority, immediate)
            VALUES (v_users, v_courses, (cardinality(v_users) > 1000)::integer,
                cardinality(v_users) <= 20
                AND (SELECT s.immediate FROM pyrepl.settings s) IS TRUE);
            PERFORM set_config('pyrepl.captured', 'on', true);
            RETURN NULL;
        END IF;
    EXCEPTION WHEN OTHERS THEN
        BEGIN  -- not one row
            WITH changed AS (
                SELECT n.{enrollment_user} AS new_user, n.{enrollment_course} AS new_course,
                    o.{enrollment_user} AS old_user, o.{enrollment_course} AS old_course
                FROM new_rows n
                FULL JOIN old_rows o ON o.{enrollment_key} = n.{enrollment_key}
                WHERE n.{enrollment_key} IS NULL OR o.{enrollment_key} IS NULL
                    OR ROW({enrollment_new})::record *<> ROW({enrollment_old})::record)
            SELECT array_agg(e.id), array_agg(e.course) INTO v_users, v_courses
            FROM (SELECT c.new_user AS id, c.new_course AS course
                FROM changed c WHERE c.new_user IS NOT NULL
                UNION SELECT c.old_user, c.old_course
                FROM changed c WHERE c.old_user IS NOT NULL) e;
        EXCEPTION WHEN OTHERS THEN
            BEGIN  -- a migration: see capture_user
                SELECT array_agg(e.id), array_agg(e.course) INTO v_users, v_courses
                FROM (SELECT n.{enrollment_user} AS id, n.{enrollment_course} AS course
                    FROM new_rows n
                    UNION
                    SELECT o.{enrollment_user}, o.{enrollment_course} FROM old_rows o) e;
            EXCEPTION WHEN OTHERS THEN
                v_all := true;
            END;
        END;
    END;

    IF v_users IS NOT NULL AND current_setting('pyrepl.captured', true) = 'on' THEN
        INSERT INTO pyrepl.change (users, courses, priority, immediate)
        VALUES (v_users, v_courses, (cardinality(v_users) > 1000)::integer,
            cardinality(v_users) <= 20
                AND (SELECT s.immediate FROM pyrepl.settings s) IS TRUE);
    ELSIF v_users IS NOT NULL OR v_all THEN
        BEGIN
            PERFORM pyrepl.note_change(v_users, v_courses, NULL);
        EXCEPTION WHEN serialization_failure THEN RAISE;
        WHEN OTHERS THEN BEGIN
            INSERT INTO pyrepl.uncaptured (part, sqlstate) VALUES ('enrollment', SQLSTATE);
        EXCEPTION WHEN OTHERS THEN
            RAISE WARNING 'not captured: %', SQLERRM USING HINT = 'pyreplctl install';
        END; END;
    END IF;
    RETURN NULL;
END
$capture_enrollment$;

COMMENT ON FUNCTION pyrepl.capture_enrollment() IS
    'notes which (user, course) pairs a statement on the enrollment table has changed';
REVOKE ALL ON FUNCTION pyrepl.capture_enrollment() FROM PUBLIC;
