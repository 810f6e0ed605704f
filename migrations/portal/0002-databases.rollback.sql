DROP TABLE pyrepl.chain;
DROP TABLE pyrepl.hosting;
DROP TABLE pyrepl.database;
