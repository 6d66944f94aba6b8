-- Sessions that were ended before their access tokens expire.
CREATE TABLE revocation (
    id         uuid        PRIMARY KEY,
    user_id    uuid        NOT NULL REFERENCES account (id),
    -- With none: every session that the user had begun by then.
    session_id uuid,
    revoked_at timestamptz NOT NULL DEFAULT now(),
    -- When no token of these sessions is valid any more, and the row is of no use.
    expires_at timestamptz NOT NULL
);
CREATE INDEX revocation_revoked_at ON revocation (revoked_at);
CREATE INDEX revocation_expires_at ON revocation (expires_at);
