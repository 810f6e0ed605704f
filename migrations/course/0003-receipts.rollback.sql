DROP TABLE pyrepl.receipt;
