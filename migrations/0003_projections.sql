-- Tables that follow the journal. Reads are served from them; nothing is decided by them.

CREATE TABLE stock_ledger (
    sku_id   uuid   PRIMARY KEY,
    received bigint NOT NULL CHECK (received >= 0)
);

-- The regular pool has the nil UUID; every other pool is the flash sale of that id.
CREATE TABLE stock_pool (
    sku_id    uuid   NOT NULL,
    pool      uuid   NOT NULL,
    allotted  bigint NOT NULL,
    available bigint NOT NULL CHECK (available >= 0),
    held      bigint NOT NULL CHECK (held >= 0),
    sold      bigint NOT NULL CHECK (sold >= 0),
    PRIMARY KEY (sku_id, pool),
    CHECK (allotted = available + held + sold)
);

CREATE TABLE flash_sale (
    id              uuid          PRIMARY KEY,
    sku_id          uuid          NOT NULL,
    product_id      uuid          NOT NULL,
    name            text          NOT NULL,
    price           numeric(12,2) NOT NULL,
    original_price  numeric(12,2) NOT NULL,
    currency        text          NOT NULL,
    per_user_limit  integer       NOT NULL,
    starts_at       timestamptz   NOT NULL,
    ends_at         timestamptz   NOT NULL,
    pay_within_ms   bigint        NOT NULL,
    paused          boolean       NOT NULL DEFAULT false,
    closed_at       timestamptz
);
CREATE INDEX flash_sale_open ON flash_sale (sku_id, starts_at) WHERE closed_at IS NULL;
CREATE INDEX flash_sale_due ON flash_sale (ends_at) WHERE closed_at IS NULL;

CREATE TABLE orders (
    order_no      text          PRIMARY KEY COLLATE "C",
    user_id       uuid          NOT NULL,
    flash_sale_id uuid,
    status        text          NOT NULL,
    total         numeric(16,2) NOT NULL,
    created_at    timestamptz   NOT NULL,
    pay_before    timestamptz   NOT NULL,
    doc           jsonb         NOT NULL
);
CREATE INDEX orders_of_user ON orders (user_id, order_no DESC);
CREATE INDEX orders_of_sale ON orders (flash_sale_id) WHERE flash_sale_id IS NOT NULL;
CREATE INDEX orders_due ON orders (pay_before, order_no) WHERE status = 'pending_payment';
