ALTER TABLE pyrepl.chain DROP users;
DROP TABLE pyrepl.receipt;
