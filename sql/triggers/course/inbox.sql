-- What an UPDATE of the inbox does.
CREATE OR REPLACE TRIGGER pyrepl_apply INSTEAD OF UPDATE ON pyrepl.inbox
    FOR EACH ROW EXECUTE FUNCTION pyrepl.apply();
