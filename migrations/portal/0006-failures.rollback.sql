ALTER TABLE pyrepl.health DROP companions, DROP holders;
ALTER TABLE pyrepl.retry DROP id, DROP failed_at;
