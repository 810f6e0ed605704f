-- The users that came from the portal. All others are local accounts and never touched.
-- depends: 0001-binding

CREATE TABLE pyrepl.copy (
    user_id bigint PRIMARY KEY,
    generation bigint NOT NULL,
    adopted boolean NOT NULL DEFAULT false,
    erased boolean NOT NULL DEFAULT false,
    since timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE pyrepl.copy IS
    'The registry of copies: apply touches no user outside it.';
COMMENT ON COLUMN pyrepl.copy.adopted IS
    'An account that was here before registration, with the same id and user name.';
COMMENT ON COLUMN pyrepl.copy.erased IS
    'The user has left the portal; the row is blank and stays because the course refers to it.';
