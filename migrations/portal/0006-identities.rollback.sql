ALTER TABLE pyrepl.settings DROP forgotten;
ALTER TABLE pyrepl.database DROP identity, DROP portal;
