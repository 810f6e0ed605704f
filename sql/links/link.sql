-- The link from the portal to one course database: server and mapping (without its
-- password, which new_link_password fills in); foreign tables follow. Immediate delivery
-- has its own, so that the application's sessions cannot starve the queue.
-- Slots: link_role, options, server
CREATE SERVER {server} FOREIGN DATA WRAPPER postgres_fdw OPTIONS ({options});
CREATE USER MAPPING FOR pyrepl_owner SERVER {server} OPTIONS (user {link_role});
