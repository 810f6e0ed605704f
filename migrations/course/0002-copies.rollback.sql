DROP TABLE pyrepl.copy;
