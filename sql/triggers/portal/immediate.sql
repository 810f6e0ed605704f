-- Immediate delivery, at the writer's COMMIT. It is always there; capture says which
-- changes are for it. (To enable a trigger makes writers wait, a row's update does not.)
-- A constraint trigger cannot be replaced.
DROP TRIGGER IF EXISTS pyrepl_immediate ON pyrepl.change;
CREATE CONSTRAINT TRIGGER pyrepl_immediate AFTER INSERT ON pyrepl.change
    DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW WHEN (NEW.immediate) EXECUTE FUNCTION pyrepl.deliver_at_commit();
ALTER TABLE pyrepl.change ENABLE ALWAYS TRIGGER pyrepl_immediate;
