-- Sales that wait, to be continued at any register. They have no number, and move nothing.
CREATE TABLE parked_sales (
    id uuid CONSTRAINT parked_sales_pkey PRIMARY KEY,
    register_id uuid NOT NULL CONSTRAINT parked_sales_register_id_fkey REFERENCES registers (id),
    customer_id uuid CONSTRAINT parked_sales_customer_id_fkey REFERENCES customers (id),
    -- The name by which cashiers find the parked sale, such as a table.
    label text,
    -- `[{"variantId": "...", "quantity": "2", "discount": "10%"}]`: the lines as they are sold later.
    lines jsonb NOT NULL,
    discount text,
    note text,
    parked_by uuid,
    parked_at timestamptz NOT NULL,
    -- Set when the sale is recalled; a recalled sale is not listed.
    recalled_by uuid,
    recalled_at timestamptz,
    version integer NOT NULL DEFAULT 1,
    request_hash bytea NOT NULL
);
CREATE INDEX parked_sales_waiting_idx ON parked_sales (id) WHERE recalled_at IS NULL;
CREATE INDEX parked_sales_register_id_idx ON parked_sales (register_id);
CREATE INDEX parked_sales_customer_id_idx ON parked_sales (customer_id);
REVOKE UPDATE, DELETE ON parked_sales FROM tenantry_tenant;
GRANT UPDATE (recalled_by, recalled_at, version) ON parked_sales TO tenantry_tenant;
