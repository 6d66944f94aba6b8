-- The journal is the truth; everything in 0003 can be rebuilt from it.

CREATE TABLE shop (
    one       boolean  PRIMARY KEY DEFAULT true CHECK (one),
    shards    smallint NOT NULL CHECK (shards BETWEEN 1 AND 4096),
    shard_hash text    NOT NULL
);

CREATE TABLE node (
    id          text        PRIMARY KEY,
    lease_until timestamptz NOT NULL
);

CREATE TABLE shard (
    id    smallint PRIMARY KEY,
    owner text,
    epoch bigint   NOT NULL DEFAULT 0
);

CREATE TABLE journal (
    shard       smallint    NOT NULL,
    seq         bigint      NOT NULL,
    epoch       bigint      NOT NULL,
    actor_kind  text        NOT NULL,
    actor_id    text        NOT NULL,
    version     bigint      NOT NULL,
    event_type  text        NOT NULL,
    payload     jsonb       NOT NULL,
    recorded_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (shard, seq),
    UNIQUE (actor_kind, actor_id, version)
);

CREATE TABLE snapshot (
    actor_kind text        NOT NULL,
    actor_id   text        NOT NULL,
    version    bigint      NOT NULL,
    state      jsonb       NOT NULL,
    taken_at   timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (actor_kind, actor_id)
);

CREATE TABLE checkpoint (
    subscription text     NOT NULL,
    shard        smallint NOT NULL,
    seq          bigint   NOT NULL,
    PRIMARY KEY (subscription, shard)
);

-- What a saga could not deliver, kept for the administrator.
CREATE TABLE parked (
    shard      smallint    NOT NULL,
    seq        bigint      NOT NULL,
    saga       text        NOT NULL,
    target     text        NOT NULL,
    command    jsonb       NOT NULL,
    cause      text        NOT NULL,
    parked_at  timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (saga, shard, seq, target)
);
