-- Of which person under an id a course database holds a copy.
-- depends: 0008-send-again

ALTER TABLE pyrepl.placement ADD generation bigint NOT NULL DEFAULT 0;
COMMENT ON COLUMN pyrepl.placement.generation IS
    'The departures before this person: an id may come back as somebody else.';
UPDATE pyrepl.placement p SET generation = d.generation
FROM (SELECT user_id, max(generation) AS generation FROM pyrepl.departure GROUP BY 1) d
WHERE d.user_id = p.user_id;
