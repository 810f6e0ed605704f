-- The capture triggers of one table. ALWAYS: a session with session_replication_role =
-- replica is captured too.
-- Slots: capture, part, table
CREATE OR REPLACE TRIGGER pyrepl_insert AFTER INSERT ON {table}
    REFERENCING NEW TABLE AS new_rows
    FOR EACH STATEMENT EXECUTE FUNCTION pyrepl.{capture}();
CREATE OR REPLACE TRIGGER pyrepl_update AFTER UPDATE ON {table}
    REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows
    FOR EACH STATEMENT EXECUTE FUNCTION pyrepl.{capture}();
CREATE OR REPLACE TRIGGER pyrepl_delete AFTER DELETE ON {table}
    REFERENCING OLD TABLE AS old_rows
    FOR EACH STATEMENT EXECUTE FUNCTION pyrepl.{capture}();
CREATE OR REPLACE TRIGGER pyrepl_truncate BEFORE TRUNCATE ON {table}
    FOR EACH STATEMENT EXECUTE FUNCTION pyrepl.capture_truncate({part});
ALTER TABLE {table} ENABLE ALWAYS TRIGGER pyrepl_insert;
ALTER TABLE {table} ENABLE ALWAYS TRIGGER pyrepl_update;
ALTER TABLE {table} ENABLE ALWAYS TRIGGER pyrepl_delete;
ALTER TABLE {table} ENABLE ALWAYS TRIGGER pyrepl_truncate;
