-- What immediate pushes leave behind for the portal to settle; and whom the last push of
-- the chain was about, should its acknowledgement be lost.
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

ALTER TABLE pyrepl.chain ADD users bigint[] NOT NULL DEFAULT '{}';
COMMENT ON COLUMN pyrepl.chain.users IS
    'Whom the last push was about. If the portal does not know of it, they are sent again.';
