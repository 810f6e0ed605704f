-- Receipts of immediate pushes: which transactions of the portal have written here.
-- Slots: link_role
CREATE OR REPLACE VIEW pyrepl.unsettled AS
SELECT r.id, r.xid, r.epoch, r.users FROM pyrepl.receipt r;

COMMENT ON VIEW pyrepl.unsettled IS
    'Receipts of immediate pushes that the portal has yet to settle.';
GRANT SELECT ON pyrepl.unsettled TO {link_role};
