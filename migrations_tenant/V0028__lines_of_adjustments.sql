-- needs code: 28

-- What an adjustment changed: one line for each variant. The movement of a line names it.
CREATE TABLE stock_adjustment_lines (
    id uuid CONSTRAINT stock_adjustment_lines_pkey PRIMARY KEY,
    adjustment_id uuid NOT NULL
        CONSTRAINT stock_adjustment_lines_adjustment_id_fkey REFERENCES stock_adjustments (id),
    position integer NOT NULL,
    variant_id uuid NOT NULL CONSTRAINT stock_adjustment_lines_variant_id_fkey REFERENCES variants (id),
    quantity numeric(14, 3) NOT NULL CONSTRAINT stock_adjustment_lines_quantity_check CHECK (quantity <> 0),
    CONSTRAINT stock_adjustment_lines_adjustment_id_position_key UNIQUE (adjustment_id, position)
);
CREATE INDEX stock_adjustment_lines_variant_id_idx ON stock_adjustment_lines (variant_id);
REVOKE UPDATE, DELETE ON stock_adjustment_lines FROM tenantry_tenant;
-- Until now an adjustment had one line, and the movement named the adjustment itself.
INSERT INTO stock_adjustment_lines (id, adjustment_id, position, variant_id, quantity)
SELECT id, id, 1, variant_id, quantity FROM stock_adjustments;

ALTER TABLE stock_adjustments DROP COLUMN variant_id;
ALTER TABLE stock_adjustments DROP COLUMN quantity;
-- What the client asked for, to tell a repetition from another adjustment with its id. Null: from before this migration.
ALTER TABLE stock_adjustments ADD COLUMN request_hash bytea;
