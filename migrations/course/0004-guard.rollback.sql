ALTER TABLE pyrepl.binding DROP guard;
