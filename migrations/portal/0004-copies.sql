-- Where copies are, and who has left.
-- depends: 0002-databases

CREATE TABLE pyrepl.placement (
    user_id bigint NOT NULL,
    database_id integer NOT NULL REFERENCES pyrepl.database ON DELETE CASCADE,
    PRIMARY KEY (user_id, database_id)
);
COMMENT ON TABLE pyrepl.placement IS
    'The copies that each course database has acknowledged.';

CREATE TABLE pyrepl.departure (
    user_id bigint NOT NULL,
    generation bigint GENERATED ALWAYS AS IDENTITY,
    PRIMARY KEY (user_id, generation)
);
COMMENT ON TABLE pyrepl.departure IS
    'Deleted users. An id that comes back later carries the highest generation, and so erases the copy of the person before.';
