-- Give the portal's word on immediate pushes whose transactions have ended: the users of
-- phantoms are marked as changed for this database. Part of deliver.
-- Returns the receipts that the course may forget with the next push; NULL where it is not
-- time to look. Writes: change, health.
CREATE OR REPLACE FUNCTION pyrepl.settle(p_health pyrepl.health, p_writer boolean)
RETURNS bigint[]
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $settle$
DECLARE
    v_settled bigint[];
    v_phantoms bigint[];
BEGIN
    IF pyrepl.is_due(p_health.settle_at) IS NOT true THEN
        RETURN NULL;
    END IF;
    SELECT coalesce(array_agg(DISTINCT r.id), '{}'),
        array_agg(DISTINCT u.id) FILTER (WHERE r.phantom)
    INTO v_settled, v_phantoms
    FROM pyrepl.receipts(p_health.database_id, p_writer) r
    LEFT JOIN LATERAL unnest(r.users) u(id) ON true;
    IF v_phantoms IS NOT NULL THEN
        INSERT INTO pyrepl.change (database_id, users)
        VALUES (p_health.database_id,
            pyrepl.users_to_tell(p_health.database_id, v_phantoms[:20000]));
    END IF;
    -- Soon where there were as many as are looked at: not at once, or a course could keep
    -- a session busy with receipts that it makes up.
    UPDATE pyrepl.health h SET settle_at = clock_timestamp()
        + CASE WHEN cardinality(v_settled) < 1000 THEN interval '2 s' ELSE '100 ms' END
    WHERE h.database_id = p_health.database_id;
    RETURN v_settled;
END
$settle$;

COMMENT ON FUNCTION pyrepl.settle(pyrepl.health, boolean) IS
    'finds immediate pushes that have no committed transaction; part of deliver';
REVOKE ALL ON FUNCTION pyrepl.settle(pyrepl.health, boolean) FROM PUBLIC;
