ALTER TABLE pyrepl.object DROP definition;
ALTER TABLE pyrepl.object DROP server;
