DROP TABLE pyrepl.uncaptured;
DROP TABLE pyrepl.table_state;
