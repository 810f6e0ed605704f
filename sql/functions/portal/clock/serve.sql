-- Route and deliver for a while: all that the worker does, for psql, cron and pg_cron.
-- Several may run at once. Not SECURITY DEFINER and without SET, or it could not COMMIT: it
-- sets the path itself after each COMMIT, since operators of others stand in the caller's.
CREATE OR REPLACE PROCEDURE pyrepl.serve(p_for interval DEFAULT '55 s')
LANGUAGE plpgsql
AS $serve$
DECLARE
    v_until timestamp with time zone;
    v_database integer;
    v_announced integer[] := '{}';
    v_outcome pg_catalog.text;
    v_sqlstate pg_catalog.text;
    v_message pg_catalog.text;
    v_hint pg_catalog.text;
    v_detail pg_catalog.text;
    v_context pg_catalog.text;
    v_worked boolean;
    v_warned boolean := false;
    v_ticked timestamp with time zone := '-infinity';
    v_pause double precision := 0.001;
BEGIN
    PERFORM pg_catalog.set_config('search_path', 'pg_catalog, pg_temp', true);
    v_until := clock_timestamp() + p_for;
    LOOP
        IF clock_timestamp() NOT BETWEEN v_ticked AND v_ticked + interval '1 s' THEN
            v_ticked := clock_timestamp();
            PERFORM pyrepl.tick('serve', pg_backend_pid()::text);
            CALL pyrepl.commit_pinned();
        END IF;
        BEGIN
            v_worked := coalesce(pyrepl.route(), 0) > 0;
        EXCEPTION WHEN undefined_column OR undefined_table THEN
            -- A migration took a key column away. What is queued can still go.
            v_worked := false;
            IF NOT v_warned THEN
                RAISE WARNING 'changes cannot be routed: %', SQLERRM
                    USING HINT = 'Run "pyreplctl install".';
                v_warned := true;
            END IF;
        END;
        CALL pyrepl.commit_pinned();
        FOREACH v_database IN ARRAY ARRAY(SELECT d FROM pyrepl.due() d) LOOP
            -- Announced, so that a database that kills this call is named by the next.
            IF v_database <> ALL (v_announced) THEN
                PERFORM pyrepl.serving(v_database, true);
                CALL pyrepl.commit_pinned();
            END IF;
            v_sqlstate := NULL;
            BEGIN
                SELECT d.outcome INTO v_outcome FROM pyrepl.deliver(v_database) d;
                v_worked := v_worked OR v_outcome IN ('delivered', 'probed', 'isolating');
            EXCEPTION WHEN OTHERS OR query_canceled OR assert_failure THEN
                GET STACKED DIAGNOSTICS v_sqlstate = RETURNED_SQLSTATE,
                    v_message = MESSAGE_TEXT, v_hint = PG_EXCEPTION_HINT,
                    v_detail = PG_EXCEPTION_DETAIL, v_context = PG_EXCEPTION_CONTEXT;
                -- Whether we are cancelled or the course says so: see from_course.
                IF v_sqlstate = '57014' AND NOT pyrepl.from_course(v_context) THEN
                    RAISE;
                END IF;
                -- Of a failed connection the detail tells host, port and reason.
                IF v_sqlstate LIKE '08%' AND v_detail <> '' THEN
                    v_message := regexp_replace(v_detail, '\s+', ' ', 'g');
                END IF;
            END;
            CALL pyrepl.commit_pinned();
            IF v_sqlstate IS NOT NULL THEN
                PERFORM pyrepl.delivery_failed(
                    v_database, v_sqlstate, v_message, nullif(v_hint, ''), v_detail,
                    v_context);
                CALL pyrepl.commit_pinned();
                v_worked := true;
            END IF;
            IF v_database <> ALL (v_announced) THEN
                PERFORM pyrepl.serving(v_database, false);
                CALL pyrepl.commit_pinned();
                v_announced := array_append(v_announced, v_database);
            END IF;
        END LOOP;
        EXIT WHEN clock_timestamp() NOT BETWEEN v_until - p_for AND v_until;
        v_pause := CASE WHEN v_worked THEN 0.001 ELSE least(v_pause + v_pause, 0.05) END;
        PERFORM pg_sleep(v_pause);
    END LOOP;
END
$serve$;

COMMENT ON PROCEDURE pyrepl.serve(interval) IS
    'routes and delivers until the time is over; CALL it outside of a transaction';
REVOKE ALL ON PROCEDURE pyrepl.serve(interval) FROM PUBLIC;
GRANT EXECUTE ON PROCEDURE pyrepl.serve(interval) TO pyrepl_worker;
