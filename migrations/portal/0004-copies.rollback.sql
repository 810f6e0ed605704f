DROP TABLE pyrepl.departure;
DROP TABLE pyrepl.placement;
