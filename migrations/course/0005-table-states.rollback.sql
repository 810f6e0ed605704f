DROP TABLE pyrepl.table_state;
