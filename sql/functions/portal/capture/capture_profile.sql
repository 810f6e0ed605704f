-- Capture on the profile table: one change row a statement, naming the users concerned,
-- before and after. Like capture_user. Writes: see note_change. Locks: none.
-- Owner: pyrepl_capture
-- Slots: profile_key, profile_new, profile_old, profile_user
CREATE OR REPLACE FUNCTION pyrepl.capture_profile()
RETURNS trigger
LANGUAGE plpgsql
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $capture_profile$
DECLARE
    v_users bigint[];
    v_all boolean := false;
BEGIN
    BEGIN
        IF TG_OP = 'UPDATE' THEN
            SELECT CASE WHEN n.{profile_user} IS DISTINCT FROM o.{profile_user}
                    THEN array_remove(ARRAY[n.{profile_user}, o.{profile_user}], NULL)
                    WHEN ROW({profile_new})::record *<> ROW({profile_old})::record
                    THEN array_remove(ARRAY[n.{profile_user}], NULL) END
            INTO STRICT v_users
            FROM new_rows n, old_rows o;
        ELSIF TG_OP = 'INSERT' THEN
            SELECT array_agg(n.{profile_user}) INTO v_users FROM new_rows n;
        ELSE
            SELECT array_agg(o.{profile_user}) INTO v_users FROM old_rows o;
        END IF;
        IF v_users IS NOT NULL
            AND current_setting('pyrepl.captured', true) IS DISTINCT FROM 'on' THEN
            INSERT INTO pyrepl.change (users, priority, immediate)
            VALUES (v_users, (cardinality(v_users) > 1000)::integer,
                cardinality(v_users) <= 20
                AND (SELECT s.immediate FROM pyrepl.settings s) IS TRUE);
            PERFORM set_config('pyrepl.captured', 'on', true);
            RETURN NULL;
        END IF;
    EXCEPTION WHEN OTHERS THEN
        BEGIN  -- not one row
            WITH changed AS (
                SELECT n.{profile_user} AS new_user, o.{profile_user} AS old_user
                FROM new_rows n
                FULL JOIN old_rows o ON o.{profile_key} = n.{profile_key}
                WHERE n.{profile_key} IS NULL OR o.{profile_key} IS NULL
                    OR ROW({profile_new})::record *<> ROW({profile_old})::record)
            SELECT array_agg(u.id) INTO v_users
            FROM (
                SELECT c.new_user AS id FROM changed c WHERE c.new_user IS NOT NULL
                UNION
                SELECT c.old_user FROM changed c WHERE c.old_user IS NOT NULL) u;
        EXCEPTION WHEN OTHERS THEN
            BEGIN  -- a migration: see capture_user
                SELECT array_agg(u.id) INTO v_users
                FROM (
                    SELECT n.{profile_user} AS id FROM new_rows n
                    UNION SELECT o.{profile_user} FROM old_rows o) u;
            EXCEPTION WHEN OTHERS THEN
                v_all := true;
            END;
        END;
    END;

    IF v_users IS NOT NULL AND current_setting('pyrepl.captured', true) = 'on' THEN
        INSERT INTO pyrepl.change (users, priority, immediate)
        VALUES (v_users, (cardinality(v_users) > 1000)::integer, cardinality(v_users) <= 20
            AND (SELECT s.immediate FROM pyrepl.settings s) IS TRUE);
    ELSIF v_users IS NOT NULL OR v_all THEN
        BEGIN
            PERFORM pyrepl.note_change(v_users, NULL, NULL);
        EXCEPTION WHEN serialization_failure THEN RAISE;
        WHEN OTHERS THEN BEGIN
            INSERT INTO pyrepl.uncaptured (part, sqlstate) VALUES ('profile', SQLSTATE);
        EXCEPTION WHEN OTHERS THEN
            RAISE WARNING 'not captured: %', SQLERRM USING HINT = 'pyreplctl install';
        END; END;
    END IF;
    RETURN NULL;
END
$capture_profile$;

COMMENT ON FUNCTION pyrepl.capture_profile() IS
    'notes whose profiles a statement has changed';
REVOKE ALL ON FUNCTION pyrepl.capture_profile() FROM PUBLIC;
