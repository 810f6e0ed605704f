DROP TABLE pyrepl.contract_column;
DROP TABLE pyrepl.contract;
DROP TABLE pyrepl.object;
DROP TABLE pyrepl.settings;
