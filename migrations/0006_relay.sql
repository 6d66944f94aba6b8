-- The stream of events as it was when something was published last: one that was made anew, or that has
-- lost its end, is told by it.
CREATE TABLE relay (
    one            boolean     PRIMARY KEY DEFAULT true CHECK (one),
    stream_created timestamptz NOT NULL,
    last_sequence  bigint      NOT NULL
);
