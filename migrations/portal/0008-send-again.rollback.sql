ALTER TABLE pyrepl.health DROP again_at;
