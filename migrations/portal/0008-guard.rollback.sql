ALTER TABLE pyrepl.database DROP guard;
