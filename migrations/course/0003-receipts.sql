-- What immediate pushes leave behind for the portal to settle.
-- depends: 0001-binding

CREATE TABLE pyrepl.receipt (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    xid xid8 NOT NULL,
    epoch uuid NOT NULL,
    users bigint[] NOT NULL,
    at timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE pyrepl.receipt IS
    'Immediate pushes whose transaction at the portal has perhaps not committed.';
