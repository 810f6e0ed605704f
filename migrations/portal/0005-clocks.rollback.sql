DROP TABLE pyrepl.clock;
