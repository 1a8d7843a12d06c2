-- needs code: 29

-- A correction of the value of the stock, with its reason.
CREATE TABLE stock_revaluations (
    id uuid CONSTRAINT stock_revaluations_pkey PRIMARY KEY,
    variant_id uuid NOT NULL CONSTRAINT stock_revaluations_variant_id_fkey REFERENCES variants (id),
    location_id uuid NOT NULL CONSTRAINT stock_revaluations_location_id_fkey REFERENCES locations (id),
    on_hand numeric(14, 3) NOT NULL,
    -- The cost of all goods on hand, before and after. Null before: not known.
    value_before numeric(22, 8),
    value_after numeric(22, 8) NOT NULL,
    reason text NOT NULL,
    note text,
    request_hash bytea NOT NULL,
    actor_id uuid,
    created_at timestamptz NOT NULL
);
CREATE INDEX stock_revaluations_variant_id_idx ON stock_revaluations (variant_id);
CREATE INDEX stock_revaluations_location_id_idx ON stock_revaluations (location_id);
REVOKE UPDATE, DELETE ON stock_revaluations FROM tenantry_tenant;

-- The cost of one unit as it was invoiced, in the currency of the purchase order; null: that of the order. And the share of
-- the landed cost in `value`, in the currency of the business.
ALTER TABLE goods_receipt_lines
    ADD COLUMN unit_cost numeric(14, 4),
    ADD COLUMN landed_cost numeric(22, 8) NOT NULL DEFAULT 0,
    -- What was taken back by reversals of a part of the receipt.
    ADD COLUMN reversed numeric(14, 3) NOT NULL DEFAULT 0,
    ADD COLUMN reversed_value numeric(22, 8) NOT NULL DEFAULT 0;
GRANT UPDATE (reversed, reversed_value) ON goods_receipt_lines TO tenantry_tenant;
-- reason: the lines of receipts that were reversed, few of all.
UPDATE goods_receipt_lines l SET reversed = l.quantity, reversed_value = coalesce(l.value, 0)
  FROM goods_receipts r WHERE r.id = l.receipt_id AND r.is_reversed;
-- A receipt may be reversed in several parts.
ALTER TABLE goods_receipts DROP CONSTRAINT goods_receipts_reverses_key;
-- reason: a business has some ten thousand receipts; the index is built in a moment.
CREATE INDEX goods_receipts_reverses_idx ON goods_receipts (reverses) WHERE reverses IS NOT NULL;

-- Goods that went back to their supplier.
CREATE TABLE supplier_returns (
    id uuid CONSTRAINT supplier_returns_pkey PRIMARY KEY,
    number bigint NOT NULL CONSTRAINT supplier_returns_number_key UNIQUE,
    supplier_id uuid NOT NULL CONSTRAINT supplier_returns_supplier_id_fkey REFERENCES suppliers (id),
    location_id uuid NOT NULL CONSTRAINT supplier_returns_location_id_fkey REFERENCES locations (id),
    reason text NOT NULL,
    note text,
    request_hash bytea NOT NULL,
    actor_id uuid,
    returned_at timestamptz NOT NULL
);
CREATE INDEX supplier_returns_supplier_id_idx ON supplier_returns (supplier_id, number);
CREATE INDEX supplier_returns_location_id_idx ON supplier_returns (location_id);
REVOKE UPDATE, DELETE ON supplier_returns FROM tenantry_tenant;

CREATE TABLE supplier_return_lines (
    id uuid CONSTRAINT supplier_return_lines_pkey PRIMARY KEY,
    return_id uuid NOT NULL CONSTRAINT supplier_return_lines_return_id_fkey REFERENCES supplier_returns (id),
    position integer NOT NULL,
    variant_id uuid NOT NULL CONSTRAINT supplier_return_lines_variant_id_fkey REFERENCES variants (id),
    quantity numeric(14, 3) NOT NULL CONSTRAINT supplier_return_lines_quantity_check CHECK (quantity > 0),
    -- What the supplier credits for the goods, in the currency of the business. Null: their cost is not known.
    value numeric(22, 8),
    CONSTRAINT supplier_return_lines_return_id_position_key UNIQUE (return_id, position)
);
CREATE INDEX supplier_return_lines_variant_id_idx ON supplier_return_lines (variant_id);
REVOKE UPDATE, DELETE ON supplier_return_lines FROM tenantry_tenant;
