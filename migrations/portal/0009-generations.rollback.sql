ALTER TABLE pyrepl.placement DROP generation;
