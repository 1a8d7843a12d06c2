-- needs code: 33

-- Goods have stock. Services and fees have none. The kind of a product never changes.
ALTER TABLE products ADD COLUMN kind text NOT NULL DEFAULT 'goods';
ALTER TABLE products ADD CONSTRAINT products_kind_check CHECK (kind IN ('goods', 'service', 'fee')) NOT VALID;
-- The kind of the product, as its name, so that an order can be read without the catalogue.
ALTER TABLE order_lines ADD COLUMN kind text NOT NULL DEFAULT 'goods';
ALTER TABLE order_lines ADD CONSTRAINT order_lines_kind_check CHECK (kind IN ('goods', 'service', 'fee')) NOT VALID;

-- Sales and returns of articles without stock, append-only. The columns mean what those of stock_movements mean.
CREATE TABLE unstocked_sales (
    id uuid CONSTRAINT unstocked_sales_pkey PRIMARY KEY,
    variant_id uuid NOT NULL CONSTRAINT unstocked_sales_variant_id_fkey REFERENCES variants (id),
    location_id uuid NOT NULL CONSTRAINT unstocked_sales_location_id_fkey REFERENCES locations (id),
    kind text NOT NULL CONSTRAINT unstocked_sales_kind_check CHECK (kind IN ('sale', 'return')),
    -- Whether it is a fee and no service.
    is_fee boolean NOT NULL,
    -- Negative for a sale.
    quantity numeric(14, 3) NOT NULL CONSTRAINT unstocked_sales_quantity_check CHECK (quantity <> 0),
    -- What the articles cost in the catalogue, with the sign of the quantity. Null: no cost is known.
    value numeric(22, 8),
    source_type text NOT NULL,
    source_id uuid NOT NULL,
    source_line_id uuid NOT NULL,
    actor_id uuid,
    occurred_at timestamptz NOT NULL,
    CONSTRAINT unstocked_sales_source_key UNIQUE (source_type, source_id, source_line_id, kind)
);
CREATE INDEX unstocked_sales_occurred_at_idx ON unstocked_sales (occurred_at);
CREATE INDEX unstocked_sales_variant_id_idx ON unstocked_sales (variant_id);
CREATE INDEX unstocked_sales_location_id_idx ON unstocked_sales (location_id);
REVOKE UPDATE, DELETE ON unstocked_sales FROM tenantry_tenant;
