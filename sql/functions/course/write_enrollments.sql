-- Last step of apply: enrollment rows of copies, updated where an agreed column differs by
-- image, inserted where missing. An id that another user's row has is left to the
-- unique index to refuse (see explain_holders). Writes: the enrollment table.
CREATE OR REPLACE FUNCTION pyrepl.write_enrollments(p_enrollments pyrepl.enrollment_row[])
RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $write_enrollments$
BEGIN
    UPDATE {enrollment_table} t
    SET {enrollment_set}
    FROM unnest(p_enrollments) n
    JOIN pyrepl.copy c ON c.user_id = n.{enrollment_user} AND NOT c.erased
    WHERE t.{enrollment_key} = n.{enrollment_key}
        AND t.{enrollment_user} = n.{enrollment_user}
        AND ROW({enrollment_here})::record *<> ROW({enrollment_new})::record;

    INSERT INTO {enrollment_table} ({enrollment_columns})
    OVERRIDING SYSTEM VALUE
    SELECT {enrollment_new}
    FROM unnest(p_enrollments) n
    JOIN pyrepl.copy c ON c.user_id = n.{enrollment_user} AND NOT c.erased
    WHERE NOT EXISTS (
        SELECT FROM {enrollment_table} t
        WHERE t.{enrollment_key} = n.{enrollment_key}
            AND t.{enrollment_user} = n.{enrollment_user});
END
$write_enrollments$;

COMMENT ON FUNCTION pyrepl.write_enrollments(pyrepl.enrollment_row[]) IS
    'brings the enrollment rows of copies up to date; part of apply';
REVOKE ALL ON FUNCTION pyrepl.write_enrollments(pyrepl.enrollment_row[]) FROM PUBLIC;
