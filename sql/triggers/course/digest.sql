-- What an UPDATE of the view digest does.
CREATE OR REPLACE TRIGGER pyrepl_answer INSTEAD OF UPDATE ON pyrepl.digest
    FOR EACH ROW EXECUTE FUNCTION pyrepl.answer_digest();
