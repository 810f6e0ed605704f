ALTER TABLE pyrepl.database DROP unfinished;
