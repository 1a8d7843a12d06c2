CREATE TABLE customers (
    id uuid CONSTRAINT customers_pkey PRIMARY KEY,
    name text NOT NULL,
    email text,
    phone text,
    note text,
    archived_at timestamptz,
    version integer NOT NULL DEFAULT 1,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL
);
CREATE INDEX customers_name_idx ON customers USING gin (name gin_trgm_ops) WITH (fastupdate = off);

-- A customer's order. What is worth money in it is exact: the totals are the sums of the lines.
CREATE TABLE orders (
    id uuid CONSTRAINT orders_pkey PRIMARY KEY,
    number bigint NOT NULL CONSTRAINT orders_number_key UNIQUE,
    customer_id uuid CONSTRAINT orders_customer_id_fkey REFERENCES customers (id),
    location_id uuid NOT NULL CONSTRAINT orders_location_id_fkey REFERENCES locations (id),
    status text NOT NULL CONSTRAINT orders_status_check
        CHECK (status IN ('reserved', 'partly_fulfilled', 'fulfilled', 'cancelled')),
    -- Before discounts, off for discounts, taxes (in or on top of the prices), and what is to be paid.
    subtotal numeric(14, 4) NOT NULL,
    discount numeric(14, 4) NOT NULL,
    tax numeric(14, 4) NOT NULL,
    total numeric(14, 4) NOT NULL CONSTRAINT orders_total_check CHECK (total >= 0),
    -- What of it is not to be paid after all, or was given back: for what was cancelled or returned.
    credited numeric(14, 4) NOT NULL DEFAULT 0,
    note text,
    -- What the client asked for, to tell a repetition from another order with its id.
    request_hash bytea NOT NULL,
    placed_by uuid,
    version integer NOT NULL DEFAULT 1,
    placed_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    CONSTRAINT orders_credited_check CHECK (credited BETWEEN 0 AND total)
);
-- Lists go by the moment and the number, the latest first.
CREATE INDEX orders_placed_at_idx ON orders (placed_at, number);
CREATE INDEX orders_status_idx ON orders (status, placed_at, number);
CREATE INDEX orders_location_id_idx ON orders (location_id);
CREATE INDEX orders_customer_id_idx ON orders (customer_id, placed_at, number);

CREATE TABLE order_lines (
    id uuid CONSTRAINT order_lines_pkey PRIMARY KEY,
    order_id uuid NOT NULL CONSTRAINT order_lines_order_id_fkey REFERENCES orders (id),
    position smallint NOT NULL,
    variant_id uuid NOT NULL CONSTRAINT order_lines_variant_id_fkey REFERENCES variants (id),
    -- As they were then.
    sku text NOT NULL,
    name text NOT NULL,
    quantity numeric(14, 3) NOT NULL CONSTRAINT order_lines_quantity_check CHECK (quantity > 0),
    -- What one unit was sold at, and what the catalogue asked for it.
    price numeric(14, 4) NOT NULL,
    list_price numeric(14, 4) NOT NULL,
    -- Why the price is not the catalogue's.
    price_reason text,
    -- Off the line: its own discount and its share of the order's.
    discount numeric(14, 4) NOT NULL,
    -- `[{"name": "VAT", "percent": "16", "amount": "1.6"}]`
    taxes jsonb NOT NULL,
    tax numeric(14, 4) NOT NULL,
    total numeric(14, 4) NOT NULL,
    fulfilled numeric(14, 3) NOT NULL,
    cancelled numeric(14, 3) NOT NULL DEFAULT 0,
    returned numeric(14, 3) NOT NULL DEFAULT 0,
    credited numeric(14, 4) NOT NULL DEFAULT 0,
    -- The average cost of what was fulfilled.
    unit_cost numeric(14, 4),
    CONSTRAINT order_lines_order_id_position_key UNIQUE (order_id, position),
    CONSTRAINT order_lines_open_check CHECK (fulfilled >= 0 AND cancelled >= 0 AND fulfilled + cancelled <= quantity),
    CONSTRAINT order_lines_returned_check CHECK (returned BETWEEN 0 AND fulfilled),
    CONSTRAINT order_lines_credited_check CHECK (credited BETWEEN 0 AND total)
);
CREATE INDEX order_lines_variant_id_idx ON order_lines (variant_id);

-- Goods that left for an order; as many documents as it takes.
CREATE TABLE fulfilments (
    id uuid CONSTRAINT fulfilments_pkey PRIMARY KEY,
    order_id uuid NOT NULL CONSTRAINT fulfilments_order_id_fkey REFERENCES orders (id),
    request_hash bytea NOT NULL,
    actor_id uuid,
    fulfilled_at timestamptz NOT NULL
);
CREATE INDEX fulfilments_order_id_idx ON fulfilments (order_id);
REVOKE UPDATE, DELETE ON fulfilments FROM tenantry_tenant;

CREATE TABLE fulfilment_lines (
    id uuid CONSTRAINT fulfilment_lines_pkey PRIMARY KEY,
    fulfilment_id uuid NOT NULL CONSTRAINT fulfilment_lines_fulfilment_id_fkey REFERENCES fulfilments (id),
    order_line_id uuid NOT NULL CONSTRAINT fulfilment_lines_order_line_id_fkey REFERENCES order_lines (id),
    quantity numeric(14, 3) NOT NULL CONSTRAINT fulfilment_lines_quantity_check CHECK (quantity > 0)
);
CREATE INDEX fulfilment_lines_fulfilment_id_idx ON fulfilment_lines (fulfilment_id);
CREATE INDEX fulfilment_lines_order_line_id_idx ON fulfilment_lines (order_line_id);
REVOKE UPDATE, DELETE ON fulfilment_lines FROM tenantry_tenant;

-- Goods that came back.
CREATE TABLE order_returns (
    id uuid CONSTRAINT order_returns_pkey PRIMARY KEY,
    order_id uuid NOT NULL CONSTRAINT order_returns_order_id_fkey REFERENCES orders (id),
    number bigint NOT NULL CONSTRAINT order_returns_number_key UNIQUE,
    reason text NOT NULL,
    refund numeric(14, 4) NOT NULL CONSTRAINT order_returns_refund_check CHECK (refund >= 0),
    request_hash bytea NOT NULL,
    actor_id uuid,
    returned_at timestamptz NOT NULL
);
CREATE INDEX order_returns_order_id_idx ON order_returns (order_id);
CREATE INDEX order_returns_returned_at_idx ON order_returns (returned_at);
REVOKE UPDATE, DELETE ON order_returns FROM tenantry_tenant;

CREATE TABLE order_return_lines (
    id uuid CONSTRAINT order_return_lines_pkey PRIMARY KEY,
    return_id uuid NOT NULL CONSTRAINT order_return_lines_return_id_fkey REFERENCES order_returns (id),
    order_line_id uuid NOT NULL CONSTRAINT order_return_lines_order_line_id_fkey REFERENCES order_lines (id),
    quantity numeric(14, 3) NOT NULL CONSTRAINT order_return_lines_quantity_check CHECK (quantity > 0),
    -- Whether it can be sold again.
    is_restocked boolean NOT NULL,
    refund numeric(14, 4) NOT NULL CONSTRAINT order_return_lines_refund_check CHECK (refund >= 0)
);
CREATE INDEX order_return_lines_return_id_idx ON order_return_lines (return_id);
CREATE INDEX order_return_lines_order_line_id_idx ON order_return_lines (order_line_id);
REVOKE UPDATE, DELETE ON order_return_lines FROM tenantry_tenant;
