DROP TABLE pyrepl.verification;
