-- Last step of apply: the enrollment rows of copies, compared in one look. Those that the
-- dossiers do not hold go, those that differ by image are updated, those missing inserted.
-- p_careful: see park. p_users: whose rows there may be. Raises PR022.
-- Writes: the enrollment table.
-- Slots: enrollment_columns, enrollment_here, enrollment_key, enrollment_key_name,
--   enrollment_new, enrollment_set, enrollment_table, enrollment_table_name,
--   enrollment_user, enrollment_user_name
CREATE OR REPLACE FUNCTION pyrepl.write_enrollments(
    p_users bigint[], p_enrollments pyrepl.enrollment_row[], p_careful boolean)
RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $write_enrollments$
DECLARE
    v_gone bigint[];
    v_differing pyrepl.enrollment_row[];
    v_missing pyrepl.enrollment_row[];
    v_written bigint;
BEGIN
    SELECT array_agg(t.{enrollment_key}) FILTER (WHERE n.{enrollment_key} IS NULL),
        array_agg(ROW({enrollment_new})::pyrepl.enrollment_row)
            FILTER (WHERE t.{enrollment_key} IS NOT NULL
                AND n.{enrollment_key} IS NOT NULL
                AND ROW({enrollment_here})::record *<> ROW({enrollment_new})::record),
        array_agg(ROW({enrollment_new})::pyrepl.enrollment_row)
            FILTER (WHERE t.{enrollment_key} IS NULL)
    INTO v_gone, v_differing, v_missing
    FROM (
        SELECT h.* FROM unnest(p_users) i(id)
        CROSS JOIN LATERAL (
            SELECT * FROM ONLY {enrollment_table} o
            WHERE o.{enrollment_user} = i.id OFFSET 0) h) t
    FULL JOIN unnest(p_enrollments) n
        ON n.{enrollment_key} = t.{enrollment_key}
        AND n.{enrollment_user} = t.{enrollment_user};

    IF v_gone IS NOT NULL THEN
        DELETE FROM ONLY {enrollment_table} t WHERE t.{enrollment_key} = ANY (v_gone);
        GET DIAGNOSTICS v_written = ROW_COUNT;
        PERFORM pyrepl.require_written('enrollment', {enrollment_table_name},
            {enrollment_key_name}, 'DELETE', v_written, v_gone);
    END IF;
    IF p_careful THEN
        PERFORM pyrepl.park({enrollment_table_name}, {enrollment_key_name},
            {enrollment_user_name}, 'enrollment', v_differing || v_missing);
    END IF;
    IF v_differing IS NOT NULL THEN
        UPDATE ONLY {enrollment_table} t
        SET {enrollment_set}
        FROM unnest(v_differing) n
        CROSS JOIN LATERAL (
            SELECT o.ctid FROM ONLY {enrollment_table} o
            WHERE o.{enrollment_key} = n.{enrollment_key}
                AND o.{enrollment_user} = n.{enrollment_user} OFFSET 0) f
        WHERE t.ctid = f.ctid;
        GET DIAGNOSTICS v_written = ROW_COUNT;
        PERFORM pyrepl.require_written('enrollment', {enrollment_table_name},
            {enrollment_key_name}, 'UPDATE', v_written, v_differing);
    END IF;
    IF v_missing IS NOT NULL THEN
        INSERT INTO {enrollment_table} ({enrollment_columns})
        OVERRIDING SYSTEM VALUE
        SELECT {enrollment_new} FROM unnest(v_missing) n ORDER BY n.{enrollment_key};
        GET DIAGNOSTICS v_written = ROW_COUNT;
        PERFORM pyrepl.require_written('enrollment', {enrollment_table_name},
            {enrollment_key_name}, 'INSERT', v_written, v_missing);
    END IF;
END
$write_enrollments$;

COMMENT ON FUNCTION pyrepl.write_enrollments(bigint[], pyrepl.enrollment_row[], boolean) IS
    'brings the enrollment rows of copies up to date; part of apply';
REVOKE ALL ON FUNCTION pyrepl.write_enrollments(bigint[], pyrepl.enrollment_row[], boolean)
    FROM PUBLIC;
