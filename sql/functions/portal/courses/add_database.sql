-- Enter a course database, without courses. Returns its number, and the name of the
-- role by which the portal will log in there: made so that portals can share a course
-- server. Writes: database, health.
CREATE OR REPLACE FUNCTION pyrepl.add_database(
    p_name text, p_fingerprint text, p_administrator text, p_link text, p_adopt boolean,
    p_guard text)
RETURNS TABLE (id integer, link_role text)
LANGUAGE plpgsql
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $add_database$
BEGIN
    PERFORM pyrepl.require_guard(p_guard);
    PERFORM pyrepl.require_no_password('the administrator''s way in', p_administrator);
    PERFORM pyrepl.require_no_password('the link', p_link);
    IF coalesce(p_name, '') = '' OR EXISTS (
        SELECT FROM pyrepl.database d WHERE d.name = p_name)
    THEN
        RAISE 'a course database cannot be named %',
            coalesce(quote_literal(p_name), 'NULL')
            USING ERRCODE = 'PR041', HINT = 'Choose a name that no other one has.';
    END IF;
    INSERT INTO pyrepl.database AS d (
        name, contract_id, administrator, link, link_role, adopt, guard)
    VALUES (p_name, pyrepl.contract_number(p_fingerprint), p_administrator, p_link, '',
        coalesce(p_adopt, false), p_guard)
    RETURNING d.id INTO id;
    link_role := format('pyrepl_%s_%s',
        left(encode(sha256(convert_to(pyrepl.identity(), 'UTF8')), 'hex'), 8), id);
    UPDATE pyrepl.database d SET link_role = add_database.link_role
    WHERE d.id = add_database.id;
    INSERT INTO pyrepl.health (database_id) VALUES (id);
    RETURN NEXT;
END
$add_database$;

COMMENT ON FUNCTION pyrepl.add_database(
    text, text, text, text, boolean, text) IS
    'enters a course database; part of registration';
REVOKE ALL ON FUNCTION pyrepl.add_database(
    text, text, text, text, boolean, text) FROM PUBLIC;
