-- Idempotency keys of requests whose body, not their path, names what they are about: the key alone
-- does not lead to the actor that remembers it, so its body is claimed here first.
CREATE TABLE claim (
    -- Digests of 128 bits.
    key     uuid        PRIMARY KEY,
    body    uuid        NOT NULL,
    -- Requests under way or accepted; with none the key is free for another body.
    holders integer     NOT NULL CHECK (holders >= 0),
    -- The SKU that the request is about, or the record that it made.
    target  uuid        NOT NULL,
    at      timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX claim_at ON claim (at);
