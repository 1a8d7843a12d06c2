-- The currency of the amounts of a purchase order, and the price of one unit of it in the currency of the business.
ALTER TABLE purchase_orders
    ADD COLUMN currency text,
    -- reason: the column is new and has the same value everywhere.
    ADD COLUMN exchange_rate numeric(14, 8) NOT NULL DEFAULT 1
        CONSTRAINT purchase_orders_exchange_rate_check CHECK (exchange_rate > 0);
-- reason: one pass over the purchase orders; a business has some ten thousand of them.
UPDATE purchase_orders SET currency = (SELECT currency FROM settings);
-- reason: as above.
ALTER TABLE purchase_orders ALTER COLUMN currency SET NOT NULL;
-- What the goods of a receipt cost, in the currency of the business; negative where a receipt is reversed.
ALTER TABLE goods_receipt_lines ADD COLUMN value numeric(22, 8);
-- reason: one pass over the lines of receipts, each with its movement.
UPDATE goods_receipt_lines l SET value = coalesce(m.value, m.quantity * m.unit_cost)
  FROM stock_movements m
 WHERE m.source_type = 'goods_receipt' AND m.source_id = l.receipt_id AND m.source_line_id = l.id AND m.kind = 'purchase';
