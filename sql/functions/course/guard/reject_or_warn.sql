-- Refuse (PR030), or warn, or let pass: as the binding says.
CREATE OR REPLACE FUNCTION pyrepl.reject_or_warn(p_what text)
RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $reject_or_warn$
DECLARE
    v_guard text;
    v_hint CONSTANT text := format('Change it on the portal. To repair the course by '
        'hand, a superuser says SET ROLE %I first.', current_user);
BEGIN
    SELECT b.guard INTO v_guard FROM pyrepl.binding b;
    IF v_guard = 'warn' THEN
        RAISE WARNING '%', p_what USING ERRCODE = 'PR030', HINT = v_hint;
    ELSIF v_guard = 'reject' THEN
        RAISE EXCEPTION '%', p_what USING ERRCODE = 'PR030', HINT = v_hint;
    END IF;
END
$reject_or_warn$;

COMMENT ON FUNCTION pyrepl.reject_or_warn(text) IS
    'raises or warns of an edit of a copy; part of the guard';
REVOKE ALL ON FUNCTION pyrepl.reject_or_warn(text) FROM PUBLIC;
