-- Capture on the user table: one change row a statement, naming the users concerned.
-- An UPDATE counts where an agreed column changed, by image: equality overlooks citext
-- Bob -> BOB and fails on json. Writes: change, departure. Locks: none.
CREATE OR REPLACE FUNCTION pyrepl.capture_user()
RETURNS trigger
LANGUAGE plpgsql
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET row_security = off
AS $capture_user$
DECLARE
    v_users bigint[];
    v_gone bigint[];
    v_everyone boolean := false;
BEGIN
    BEGIN
        IF TG_OP = 'UPDATE' THEN
            SELECT array_agg(coalesce(n.{user_key}, o.{user_key})),
                array_agg(o.{user_key}) FILTER (WHERE n.{user_key} IS NULL)
            INTO v_users, v_gone
            FROM new_rows n
            FULL JOIN old_rows o ON o.{user_key} = n.{user_key}
            WHERE n.{user_key} IS NULL OR o.{user_key} IS NULL
                OR ROW({user_new})::record *<> ROW({user_old})::record;
        ELSIF TG_OP = 'INSERT' THEN
            SELECT array_agg(n.{user_key}) INTO v_users FROM new_rows n;
        ELSIF TG_OP = 'DELETE' THEN
            SELECT array_agg(o.{user_key}) INTO v_users FROM old_rows o;
            v_gone := v_users;
        END IF;
    EXCEPTION WHEN OTHERS THEN
        -- A migration changed the table and install has not run yet. Capture never fails
        -- a writer: every row counts as changed, or everybody where the key itself is gone.
        BEGIN
            SELECT array_agg(r.id), array_agg(r.id) FILTER (WHERE r.gone)
            INTO v_users, v_gone
            FROM (
                SELECT coalesce(n.{user_key}, o.{user_key}) AS id,
                    n.{user_key} IS NULL AS gone
                FROM new_rows n FULL JOIN old_rows o ON o.{user_key} = n.{user_key}) r;
        EXCEPTION WHEN OTHERS THEN
            v_everyone := true;
        END;
    END;
    IF TG_OP = 'TRUNCATE' THEN
        PERFORM pyrepl.require_truncate_seen(TG_RELID);
        BEGIN
            SELECT array_agg(u.{user_key}) INTO v_users FROM {user_table} u;
        EXCEPTION WHEN undefined_column THEN
            v_everyone := true;
        END;
        v_gone := v_users;
    END IF;

    IF v_gone IS NOT NULL THEN
        INSERT INTO pyrepl.departure (user_id) SELECT g.id FROM unnest(v_gone) g(id);
    END IF;
    IF v_users IS NOT NULL OR v_everyone THEN
        INSERT INTO pyrepl.change (users, priority, immediate)
        VALUES (v_users, (v_everyone OR cardinality(v_users) > 1000)::integer,
            coalesce(cardinality(v_users), 21) <= 20
                AND (SELECT s.immediate FROM pyrepl.settings s) IS TRUE);
    END IF;
    RETURN NULL;
END
$capture_user$;

COMMENT ON FUNCTION pyrepl.capture_user() IS
    'notes which users a statement on the user table has changed';
REVOKE ALL ON FUNCTION pyrepl.capture_user() FROM PUBLIC;
