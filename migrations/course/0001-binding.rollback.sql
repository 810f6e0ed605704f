DROP TABLE pyrepl.object;
DROP TABLE pyrepl.contract_column;
DROP TABLE pyrepl.chain;
DROP TABLE pyrepl.binding;
