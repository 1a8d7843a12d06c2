-- A bundle is sold at one price and consists of other articles. Documents have lines of these articles alone.
ALTER TABLE products DROP CONSTRAINT products_kind_check;
ALTER TABLE products
    ADD CONSTRAINT products_kind_check CHECK (kind IN ('goods', 'service', 'fee', 'bundle')) NOT VALID;

CREATE TABLE bundle_components (
    bundle_id uuid NOT NULL CONSTRAINT bundle_components_bundle_id_fkey REFERENCES variants (id),
    position smallint NOT NULL,
    variant_id uuid NOT NULL CONSTRAINT bundle_components_variant_id_fkey REFERENCES variants (id),
    -- In one bundle.
    quantity numeric(14, 3) NOT NULL CONSTRAINT bundle_components_quantity_check CHECK (quantity > 0),
    CONSTRAINT bundle_components_pkey PRIMARY KEY (bundle_id, position),
    CONSTRAINT bundle_components_variant_id_key UNIQUE (bundle_id, variant_id)
);
CREATE INDEX bundle_components_variant_id_idx ON bundle_components (variant_id);

-- `{"number": 1, "variantId": "...", "sku": "SET", "name": "Set", "quantity": "2", "price": "9.5", "listPrice": "9.5",
-- "weight": "4"}`: the bundle with this line, at the time of the sale. Null: the line was sold on its own.
ALTER TABLE order_lines ADD COLUMN bundle jsonb;
ALTER TABLE sale_lines ADD COLUMN bundle jsonb;
