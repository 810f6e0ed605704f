-- Capture on the profile table: one change row a statement, naming the users concerned,
-- before and after. Like capture_user. Writes: change. Locks: none.
CREATE OR REPLACE FUNCTION pyrepl.capture_profile()
RETURNS trigger
LANGUAGE plpgsql
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET row_security = off
AS $capture_profile$
DECLARE
    v_users bigint[];
    v_everyone boolean := false;
BEGIN
    BEGIN
        IF TG_OP = 'UPDATE' THEN
            WITH changed AS (
                SELECT n.{profile_user} AS new_user, o.{profile_user} AS old_user
                FROM new_rows n
                FULL JOIN old_rows o ON o.{profile_key} = n.{profile_key}
                WHERE n.{profile_key} IS NULL OR o.{profile_key} IS NULL
                    OR ROW({profile_new})::record *<> ROW({profile_old})::record)
            SELECT array_agg(u.id) INTO v_users
            FROM (
                SELECT c.new_user AS id FROM changed c WHERE c.new_user IS NOT NULL
                UNION SELECT c.old_user FROM changed c WHERE c.old_user IS NOT NULL) u;
        ELSIF TG_OP = 'INSERT' THEN
            SELECT array_agg(n.{profile_user}) INTO v_users FROM new_rows n;
        ELSIF TG_OP = 'DELETE' THEN
            SELECT array_agg(o.{profile_user}) INTO v_users FROM old_rows o;
        END IF;
    EXCEPTION WHEN OTHERS THEN
        BEGIN
            SELECT array_agg(u.id) INTO v_users
            FROM (
                SELECT n.{profile_user} AS id FROM new_rows n
                UNION SELECT o.{profile_user} FROM old_rows o) u;
        EXCEPTION WHEN OTHERS THEN
            v_everyone := true;
        END;
    END;
    IF TG_OP = 'TRUNCATE' THEN
        PERFORM pyrepl.require_truncate_seen(TG_RELID);
        BEGIN
            SELECT array_agg(p.{profile_user}) INTO v_users FROM {profile_table} p;
        EXCEPTION WHEN undefined_column THEN
            v_everyone := true;
        END;
    END IF;

    IF v_users IS NOT NULL OR v_everyone THEN
        INSERT INTO pyrepl.change (users, priority, immediate)
        VALUES (v_users, (v_everyone OR cardinality(v_users) > 1000)::integer,
            coalesce(cardinality(v_users), 21) <= 20
                AND (SELECT s.immediate FROM pyrepl.settings s) IS TRUE);
    END IF;
    RETURN NULL;
END
$capture_profile$;

COMMENT ON FUNCTION pyrepl.capture_profile() IS
    'notes whose profiles a statement has changed';
REVOKE ALL ON FUNCTION pyrepl.capture_profile() FROM PUBLIC;
