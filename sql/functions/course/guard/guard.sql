-- The guard of one table: refuse, or warn of, what others than apply do to rows of copies:
-- insert, delete, move them from or to a copy, change agreed columns that are not exempt.
-- What is left of an erased user stays blank, too, but may be deleted. AFTER ROW, so that
-- it sees what other triggers made of the row. Columns are bound late: the course's
-- migrations may drop and retype them, and their writers go on.
-- Slots: guard, guarded_names, guarded_new, guarded_old, guarded_user
CREATE OR REPLACE FUNCTION pyrepl.{guard}()
RETURNS trigger
LANGUAGE plpgsql
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $guard$
DECLARE
    v_before bigint;
    v_after bigint;
    v_copy bigint;
    v_columns text;
BEGIN
    BEGIN
        IF TG_OP IN ('UPDATE', 'DELETE') THEN
            v_before := OLD.{guarded_user};
        END IF;
        IF TG_OP IN ('INSERT', 'UPDATE') THEN
            v_after := NEW.{guarded_user};
        END IF;
        IF TG_OP = 'UPDATE' THEN
            IF ROW({guarded_new})::record *= ROW({guarded_old})::record THEN
                RETURN NULL;
            END IF;
        END IF;
    EXCEPTION WHEN syntax_error_or_access_rule_violation OR data_exception THEN
        NULL;  -- A column has gone or changed; those that are left are looked at below.
    END;

    SELECT min(c.user_id) INTO v_copy
    FROM pyrepl.binding b
    JOIN pyrepl.copy c ON c.user_id IN (v_before, v_after)
    WHERE b.guard <> 'off' AND NOT (TG_OP = 'DELETE' AND c.erased);
    IF v_copy IS NULL THEN
        RETURN NULL;
    END IF;
    IF TG_OP = 'UPDATE' THEN
        EXECUTE pyrepl.changed_columns(TG_RELID, {guarded_names})
            INTO v_columns USING OLD, NEW;
        IF v_columns = '' THEN
            RETURN NULL;
        END IF;
    END IF;
    PERFORM pyrepl.reject_or_warn(format(
        CASE TG_OP
            WHEN 'INSERT' THEN 'user %s is a copy: no row of %s may be added here'
            WHEN 'DELETE' THEN 'user %s is a copy: its row of %s may not be deleted here'
            ELSE 'user %s is a copy: in %s these may not be changed here: %s' END,
        v_copy, TG_RELID::regclass, v_columns));
    RETURN NULL;
END
$guard$;

COMMENT ON FUNCTION pyrepl.{guard}() IS
    'keeps others than apply from writing rows of copies';
REVOKE ALL ON FUNCTION pyrepl.{guard}() FROM PUBLIC;
