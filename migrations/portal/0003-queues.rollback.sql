DROP TABLE pyrepl.epoch;
DROP TABLE pyrepl.outbox_mark;
DROP TABLE pyrepl.route_mark;
DROP TABLE pyrepl.retry;
DROP TABLE pyrepl.outbox;
DROP TABLE pyrepl.change;
