DROP TABLE pyrepl.verifying;
