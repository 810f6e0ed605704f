-- A view of a course database as the portal sees it, over a link. Its columns and comment:
-- pyreplctl/schema/foreign_tables.py, by which verify knows how the catalog has it.
-- Slots: columns, comment, name, server, view
CREATE FOREIGN TABLE pyrepl.{name} (
    {columns}
) SERVER {server} OPTIONS (schema_name 'pyrepl', table_name {view});
COMMENT ON FOREIGN TABLE pyrepl.{name} IS {comment};
