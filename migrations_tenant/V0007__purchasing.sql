CREATE TABLE suppliers (
    id uuid CONSTRAINT suppliers_pkey PRIMARY KEY,
    name text NOT NULL CONSTRAINT suppliers_name_key UNIQUE,
    email text,
    phone text,
    note text,
    -- Days from sending an order to its arrival, unless a price says otherwise.
    lead_time_days smallint CONSTRAINT suppliers_lead_time_days_check CHECK (lead_time_days BETWEEN 0 AND 1000),
    archived_at timestamptz,
    version integer NOT NULL DEFAULT 1,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL
);

-- What a supplier asks for a variant, from a moment on; append-only: the latest row counts, the others are its history.
CREATE TABLE supplier_prices (
    id uuid CONSTRAINT supplier_prices_pkey PRIMARY KEY,
    supplier_id uuid NOT NULL CONSTRAINT supplier_prices_supplier_id_fkey REFERENCES suppliers (id),
    variant_id uuid NOT NULL CONSTRAINT supplier_prices_variant_id_fkey REFERENCES variants (id),
    -- How the supplier calls it.
    supplier_sku text,
    cost numeric(14, 4) NOT NULL CONSTRAINT supplier_prices_cost_check CHECK (cost >= 0),
    currency text NOT NULL CONSTRAINT supplier_prices_currency_check CHECK (currency ~ '^[A-Z]{3}$'),
    minimum_quantity numeric(14, 3) CONSTRAINT supplier_prices_minimum_quantity_check CHECK (minimum_quantity > 0),
    lead_time_days smallint
        CONSTRAINT supplier_prices_lead_time_days_check CHECK (lead_time_days BETWEEN 0 AND 1000),
    actor_id uuid,
    valid_from timestamptz NOT NULL
);
CREATE INDEX supplier_prices_supplier_id_idx ON supplier_prices (supplier_id, variant_id, id);
CREATE INDEX supplier_prices_variant_id_idx ON supplier_prices (variant_id, id);
REVOKE UPDATE, DELETE ON supplier_prices FROM tenantry_tenant;

CREATE TABLE purchase_orders (
    id uuid CONSTRAINT purchase_orders_pkey PRIMARY KEY,
    number bigint NOT NULL CONSTRAINT purchase_orders_number_key UNIQUE,
    supplier_id uuid NOT NULL CONSTRAINT purchase_orders_supplier_id_fkey REFERENCES suppliers (id),
    location_id uuid NOT NULL CONSTRAINT purchase_orders_location_id_fkey REFERENCES locations (id),
    status text NOT NULL CONSTRAINT purchase_orders_status_check
        CHECK (status IN ('DRAFT', 'SENT', 'CONFIRMED', 'RECEIVED', 'CANCELLED', 'CLOSED_SHORT')),
    expected_on date,
    note text,
    total numeric(14, 4) NOT NULL CONSTRAINT purchase_orders_total_check CHECK (total >= 0),
    request_hash bytea NOT NULL,
    created_by uuid,
    version integer NOT NULL DEFAULT 1,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL
);
CREATE INDEX purchase_orders_status_idx ON purchase_orders (status, id);
CREATE INDEX purchase_orders_supplier_id_idx ON purchase_orders (supplier_id, id);
CREATE INDEX purchase_orders_location_id_idx ON purchase_orders (location_id);

CREATE TABLE purchase_order_lines (
    id uuid CONSTRAINT purchase_order_lines_pkey PRIMARY KEY,
    purchase_order_id uuid NOT NULL
        CONSTRAINT purchase_order_lines_purchase_order_id_fkey REFERENCES purchase_orders (id),
    position smallint NOT NULL,
    variant_id uuid NOT NULL CONSTRAINT purchase_order_lines_variant_id_fkey REFERENCES variants (id),
    sku text NOT NULL,
    name text NOT NULL,
    quantity numeric(14, 3) NOT NULL CONSTRAINT purchase_order_lines_quantity_check CHECK (quantity > 0),
    unit_cost numeric(14, 4) NOT NULL CONSTRAINT purchase_order_lines_unit_cost_check CHECK (unit_cost >= 0),
    total numeric(14, 4) NOT NULL,
    received numeric(14, 3) NOT NULL DEFAULT 0,
    -- How much more than ordered may come, as the setting was when the order was made.
    tolerance numeric(14, 3) NOT NULL CONSTRAINT purchase_order_lines_tolerance_check CHECK (tolerance >= 0),
    CONSTRAINT purchase_order_lines_order_variant_key UNIQUE (purchase_order_id, variant_id),
    CONSTRAINT purchase_order_lines_received_check CHECK (received BETWEEN 0 AND quantity + tolerance)
);
CREATE INDEX purchase_order_lines_variant_id_idx ON purchase_order_lines (variant_id);

-- Goods that arrived, or with `reverses` what of an earlier receipt was entered wrongly.
CREATE TABLE goods_receipts (
    id uuid CONSTRAINT goods_receipts_pkey PRIMARY KEY,
    number bigint NOT NULL CONSTRAINT goods_receipts_number_key UNIQUE,
    purchase_order_id uuid NOT NULL
        CONSTRAINT goods_receipts_purchase_order_id_fkey REFERENCES purchase_orders (id),
    supplier_id uuid NOT NULL CONSTRAINT goods_receipts_supplier_id_fkey REFERENCES suppliers (id),
    delivery_note text,
    reverses uuid CONSTRAINT goods_receipts_reverses_key UNIQUE
        CONSTRAINT goods_receipts_reverses_fkey REFERENCES goods_receipts (id),
    is_reversed boolean NOT NULL DEFAULT false,
    request_hash bytea NOT NULL,
    actor_id uuid,
    received_at timestamptz NOT NULL
);
CREATE INDEX goods_receipts_purchase_order_id_idx ON goods_receipts (purchase_order_id);
-- A delivery note is booked once, unless that was reversed.
CREATE UNIQUE INDEX goods_receipts_delivery_note_key ON goods_receipts (supplier_id, delivery_note) WHERE NOT is_reversed;
REVOKE UPDATE, DELETE ON goods_receipts FROM tenantry_tenant;
GRANT UPDATE (is_reversed) ON goods_receipts TO tenantry_tenant;

CREATE TABLE goods_receipt_lines (
    id uuid CONSTRAINT goods_receipt_lines_pkey PRIMARY KEY,
    receipt_id uuid NOT NULL CONSTRAINT goods_receipt_lines_receipt_id_fkey REFERENCES goods_receipts (id),
    purchase_order_line_id uuid NOT NULL
        CONSTRAINT goods_receipt_lines_purchase_order_line_id_fkey REFERENCES purchase_order_lines (id),
    -- Negative where a receipt is reversed.
    quantity numeric(14, 3) NOT NULL CONSTRAINT goods_receipt_lines_quantity_check CHECK (quantity <> 0)
);
CREATE INDEX goods_receipt_lines_receipt_id_idx ON goods_receipt_lines (receipt_id);
CREATE INDEX goods_receipt_lines_purchase_order_line_id_idx ON goods_receipt_lines (purchase_order_line_id);
REVOKE UPDATE, DELETE ON goods_receipt_lines FROM tenantry_tenant;
