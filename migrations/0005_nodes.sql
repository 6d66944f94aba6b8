-- Which life of a node holds its lease, and whether it is about to go.
ALTER TABLE node
    ADD COLUMN incarnation uuid,
    ADD COLUMN leaving     boolean     NOT NULL DEFAULT false,
    ADD COLUMN started_at  timestamptz NOT NULL DEFAULT now();
