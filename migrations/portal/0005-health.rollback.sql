DROP TABLE pyrepl.verification;
DROP TABLE pyrepl.verifying;
DROP TABLE pyrepl.clock;
DROP TABLE pyrepl.health;
