-- Keep which program was installed and what it was told. Returns what happened to it:
-- created, replaced or unchanged. Writes: settings.
CREATE OR REPLACE FUNCTION pyrepl.set_configuration(
    p_version text, p_configuration jsonb, p_batch integer)
RETURNS text
LANGUAGE plpgsql
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $set_configuration$
DECLARE
    v_same boolean;
BEGIN
    IF p_batch IS NULL OR p_batch NOT BETWEEN 1 AND 100000 THEN
        RAISE 'a batch cannot be of % dossiers', coalesce(p_batch::text, 'NULL')
            USING ERRCODE = 'PR041', HINT = 'It has 1 to 100000.';
    END IF;
    IF p_version IS NULL OR p_configuration IS NULL THEN
        RAISE 'version and configuration must be given' USING ERRCODE = 'PR041',
            HINT = '"pyreplctl install" gives both.';
    END IF;
    SELECT (s.version, s.configuration, s.batch) = (p_version, p_configuration, p_batch)
    INTO v_same FROM pyrepl.settings s;
    IF v_same THEN
        RETURN 'unchanged';
    END IF;
    INSERT INTO pyrepl.settings (version, configuration, batch)
    VALUES (p_version, p_configuration, p_batch)
    ON CONFLICT (singleton) DO UPDATE SET
        version = excluded.version, configuration = excluded.configuration,
        batch = excluded.batch;
    RETURN CASE WHEN v_same IS NULL THEN 'created' ELSE 'replaced' END;
END
$set_configuration$;

COMMENT ON FUNCTION pyrepl.set_configuration(text, jsonb, integer) IS
    'keeps version and configuration of the installation';
REVOKE ALL ON FUNCTION pyrepl.set_configuration(text, jsonb, integer) FROM PUBLIC;
