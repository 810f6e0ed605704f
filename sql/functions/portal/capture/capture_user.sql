-- Capture on the user table: one change row a statement, naming the users concerned.
-- An UPDATE counts where an agreed column changed, by image: equality overlooks citext
-- Bob -> BOB and fails on json. Nothing that is raised here reaches the writer.
-- Of one row images are compared without a join; STRICT tells when there are more. The
-- first change of a transaction is noted in the same block: one more would cost a tenth.
-- Writes: see note_change. Locks: none.
-- Owner: pyrepl_capture
-- Slots: user_key, user_new, user_old
CREATE OR REPLACE FUNCTION pyrepl.capture_user()
RETURNS trigger
LANGUAGE plpgsql
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $capture_user$
DECLARE
    v_users bigint[];
    v_gone bigint[];
    v_all boolean := false;
BEGIN
    BEGIN
        IF TG_OP = 'UPDATE' THEN
            SELECT CASE WHEN n.{user_key} <> o.{user_key}
                    THEN ARRAY[n.{user_key}, o.{user_key}]
                    WHEN ROW({user_new})::record *<> ROW({user_old})::record
                    THEN ARRAY[n.{user_key}] END,
                CASE WHEN n.{user_key} <> o.{user_key} THEN ARRAY[o.{user_key}] END
            INTO STRICT v_users, v_gone
            FROM new_rows n, old_rows o;
        ELSIF TG_OP = 'INSERT' THEN
            SELECT array_agg(n.{user_key}) INTO v_users FROM new_rows n;
        ELSE
            SELECT array_agg(o.{user_key}) INTO v_users FROM old_rows o;
            v_gone := v_users;
        END IF;
        IF v_users IS NOT NULL AND v_gone IS NULL
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
            SELECT array_agg(coalesce(n.{user_key}, o.{user_key})),
                array_agg(o.{user_key}) FILTER (WHERE n.{user_key} IS NULL)
            INTO v_users, v_gone
            FROM new_rows n
            FULL JOIN old_rows o ON o.{user_key} = n.{user_key}
            WHERE n.{user_key} IS NULL OR o.{user_key} IS NULL
                OR ROW({user_new})::record *<> ROW({user_old})::record;
        EXCEPTION WHEN OTHERS THEN
            BEGIN  -- A migration, and no install yet: every row counts as changed, or
                -- everybody where the key itself is gone.
                SELECT array_agg(r.id), array_agg(r.id) FILTER (WHERE r.gone)
                INTO v_users, v_gone
                FROM (SELECT coalesce(n.{user_key}, o.{user_key}) AS id,
                        n.{user_key} IS NULL AS gone
                    FROM new_rows n
                    FULL JOIN old_rows o ON o.{user_key} = n.{user_key}) r;
            EXCEPTION WHEN OTHERS THEN
                v_all := true;
            END;
        END;
    END;

    IF v_users IS NOT NULL AND v_gone IS NULL
        AND current_setting('pyrepl.captured', true) = 'on'
    THEN
        INSERT INTO pyrepl.change (users, priority, immediate)
        VALUES (v_users, (cardinality(v_users) > 1000)::integer, cardinality(v_users) <= 20
            AND (SELECT s.immediate FROM pyrepl.settings s) IS TRUE);
    ELSIF v_users IS NOT NULL OR v_all THEN
        BEGIN
            PERFORM pyrepl.note_change(v_users, NULL, v_gone);
        EXCEPTION WHEN serialization_failure THEN RAISE;
        WHEN OTHERS THEN BEGIN
            INSERT INTO pyrepl.uncaptured (part, sqlstate) VALUES ('user', SQLSTATE);
        EXCEPTION WHEN OTHERS THEN
            RAISE WARNING 'not captured: %', SQLERRM USING HINT = 'pyreplctl install';
        END; END;
    END IF;
    RETURN NULL;
END
$capture_user$;

COMMENT ON FUNCTION pyrepl.capture_user() IS
    'notes which users a statement on the user table has changed';
REVOKE ALL ON FUNCTION pyrepl.capture_user() FROM PUBLIC;
