-- Records: what has no contention and so no actor.

CREATE TABLE account (
    id            uuid        PRIMARY KEY,
    username      text        NOT NULL,
    email         text        NOT NULL,
    phone         text,
    password_hash text        NOT NULL,
    role          text        NOT NULL DEFAULT 'user' CHECK (role IN ('user', 'seller', 'admin')),
    status        text        NOT NULL DEFAULT 'active' CHECK (status IN ('active', 'suspended')),
    version       bigint      NOT NULL DEFAULT 1,
    created_at    timestamptz NOT NULL DEFAULT now(),
    updated_at    timestamptz NOT NULL DEFAULT now(),
    last_login_at timestamptz
);
CREATE UNIQUE INDEX account_username_key ON account (lower(username));
CREATE UNIQUE INDEX account_email_key ON account (lower(email));

CREATE TABLE category (
    id        uuid    PRIMARY KEY,
    parent_id uuid    REFERENCES category (id),
    name      text    NOT NULL,
    position  integer NOT NULL DEFAULT 0,
    CONSTRAINT category_name_key UNIQUE NULLS NOT DISTINCT (parent_id, name)
);

-- A product's own price is the one lists show, filter and sort by; an order line costs its SKU's.
CREATE TABLE product (
    id             uuid          PRIMARY KEY,
    name           text          NOT NULL,
    description    text          NOT NULL DEFAULT '',
    category_id    uuid          CONSTRAINT product_category_fkey REFERENCES category (id),
    brand          text,
    images         text[]        NOT NULL DEFAULT '{}',
    tags           text[]        NOT NULL DEFAULT '{}',
    specs          jsonb         NOT NULL DEFAULT '{}',
    status         text          NOT NULL CHECK (status IN ('draft', 'active', 'inactive', 'deleted')),
    price          numeric(12,2) NOT NULL CHECK (price > 0),
    original_price numeric(12,2) CHECK (original_price > 0),
    currency       text          NOT NULL DEFAULT 'CNY' CHECK (currency ~ '^[A-Z]{3}$'),
    rating         numeric(3,2)  NOT NULL DEFAULT 0 CHECK (rating BETWEEN 0 AND 5),
    review_count   bigint        NOT NULL DEFAULT 0 CHECK (review_count >= 0),
    sales          bigint        NOT NULL DEFAULT 0 CHECK (sales >= 0),
    version        bigint        NOT NULL DEFAULT 1,
    created_at     timestamptz   NOT NULL DEFAULT now(),
    updated_at     timestamptz   NOT NULL DEFAULT now(),
    created_by     uuid          REFERENCES account (id)
);
CREATE INDEX product_created ON product (status, created_at, id);
CREATE INDEX product_price ON product (status, price, id);
CREATE INDEX product_sales ON product (status, sales, id);
CREATE INDEX product_category ON product (category_id, status);

CREATE TABLE sku (
    id         uuid          PRIMARY KEY,
    product_id uuid          NOT NULL REFERENCES product (id),
    sku_code   text          NOT NULL CONSTRAINT sku_code_key UNIQUE,
    specs      jsonb         NOT NULL DEFAULT '{}',
    price      numeric(12,2) NOT NULL CHECK (price > 0),
    status     text          NOT NULL CHECK (status IN ('active', 'inactive')),
    is_default boolean       NOT NULL DEFAULT false,
    position   integer       NOT NULL DEFAULT 0,
    version    bigint        NOT NULL DEFAULT 1,
    created_at timestamptz   NOT NULL DEFAULT now(),
    updated_at timestamptz   NOT NULL DEFAULT now()
);
CREATE INDEX sku_product ON sku (product_id, position);
CREATE UNIQUE INDEX sku_default_key ON sku (product_id) WHERE is_default;

-- Events of records, written in the record's own transaction and moved into the journal later.
CREATE TABLE outbox (
    id          bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    record_kind text        NOT NULL,
    record_id   text        NOT NULL,
    version     bigint      NOT NULL,
    event_type  text        NOT NULL,
    payload     jsonb       NOT NULL,
    created_at  timestamptz NOT NULL DEFAULT now(),
    UNIQUE (record_kind, record_id, version)
);
