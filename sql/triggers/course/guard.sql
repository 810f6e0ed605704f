-- The guard of one table. apply passes by its role, before any function is called: there
-- is no setting that opens it. ALWAYS: session_replication_role does not, either.
-- Slots: guard, owner, table
CREATE OR REPLACE TRIGGER pyrepl_guard AFTER INSERT OR UPDATE OR DELETE ON {table}
    FOR EACH ROW WHEN (current_user <> {owner})
    EXECUTE FUNCTION pyrepl.{guard}();
CREATE OR REPLACE TRIGGER pyrepl_guard_truncate BEFORE TRUNCATE ON {table}
    FOR EACH STATEMENT WHEN (current_user <> {owner})
    EXECUTE FUNCTION pyrepl.guard_truncate();
ALTER TABLE {table} ENABLE ALWAYS TRIGGER pyrepl_guard;
ALTER TABLE {table} ENABLE ALWAYS TRIGGER pyrepl_guard_truncate;
