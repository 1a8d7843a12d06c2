-- What suppliers charge on top of their prices. A line's total has its tax in it, and an order's those of its lines.
ALTER TABLE purchase_order_lines
    ADD COLUMN tax_percent numeric(7, 4) NOT NULL DEFAULT 0,
    ADD COLUMN tax numeric(14, 4) NOT NULL DEFAULT 0;
-- NOT VALID waits for nobody; what is there already has the default.
ALTER TABLE purchase_order_lines ADD CONSTRAINT purchase_order_lines_tax_check
    CHECK (tax >= 0 AND tax_percent BETWEEN 0 AND 100) NOT VALID;
ALTER TABLE purchase_order_lines VALIDATE CONSTRAINT purchase_order_lines_tax_check;
ALTER TABLE purchase_orders ADD COLUMN tax numeric(14, 4) NOT NULL DEFAULT 0;
