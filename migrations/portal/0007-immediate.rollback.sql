DROP TABLE pyrepl.epoch;
ALTER TABLE pyrepl.health DROP settle_at, DROP stalled_at;
ALTER TABLE pyrepl.database
    DROP CONSTRAINT database_delivery_check,
    ADD CONSTRAINT database_delivery_check CHECK (delivery IN ('queued'));
ALTER TABLE pyrepl.change DROP immediate;
ALTER TABLE pyrepl.settings DROP immediate;
