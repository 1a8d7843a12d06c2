-- needs code: 18

-- The cost of the goods on hand: the sum of the values of the movements. Null: no cost is known.
ALTER TABLE stock_levels
    ADD COLUMN value numeric(22, 8),
    -- The cost of one unit of the goods that were on hand last, for goods that are found later.
    ADD COLUMN last_cost numeric(22, 8);

-- The cost of the goods that moved, with the sign of the quantity. Null: not known, or, in movements before this
-- migration, quantity times unit_cost. Later movements have no unit_cost.
ALTER TABLE stock_movements ADD COLUMN value numeric(22, 8);
ALTER TABLE stock_movements DROP CONSTRAINT stock_movements_kind_check;
ALTER TABLE stock_movements ADD CONSTRAINT stock_movements_kind_check
    CHECK (kind IN ('purchase', 'sale', 'adjustment', 'return', 'transfer', 'count', 'revaluation')) NOT VALID;
ALTER TABLE stock_movements DROP CONSTRAINT stock_movements_quantity_check;
-- A revaluation changes the value of goods and moves none.
ALTER TABLE stock_movements ADD CONSTRAINT stock_movements_quantity_check
    CHECK (quantity <> 0 OR kind = 'revaluation') NOT VALID;

-- The cost of the goods of a line that left and have not come back. Null: not known.
ALTER TABLE order_lines
    ADD COLUMN cost numeric(22, 8),
    -- The part of the line's total, tax and discount that is neither fulfilled nor cancelled, and the part of the
    -- total and the tax that is fulfilled and not returned. Null until a part of the line is fulfilled, cancelled or
    -- returned after the order was placed.
    ADD COLUMN open_total numeric(14, 4),
    ADD COLUMN open_tax numeric(14, 4),
    ADD COLUMN open_discount numeric(14, 4),
    ADD COLUMN out_total numeric(14, 4),
    ADD COLUMN out_tax numeric(14, 4);

-- The cost of the goods of a line when they were sent, and of those that are still in transit. Null: not known.
ALTER TABLE stock_transfer_lines
    ADD COLUMN sent_value numeric(22, 8),
    ADD COLUMN transit_value numeric(22, 8);

-- reason: one pass over the stock levels; a business has some ten thousand of them.
UPDATE stock_levels l
   SET value = round(l.on_hand * coalesce(l.average_cost, v.cost), 8), last_cost = round(l.average_cost, 8)
  FROM variants v
 WHERE v.id = l.variant_id AND coalesce(l.average_cost, v.cost) IS NOT NULL;

-- Costs were cut to four decimals until now. What the movements of a level therefore lack of its value, or have too
-- much, is booked once.
-- reason: one pass over the movements, some seconds for a million of them.
INSERT INTO stock_movements (id, variant_id, location_id, position, kind, quantity, balance_after, value, source_type,
                             source_id, source_line_id, occurred_at)
SELECT md5('value ' || l.variant_id || l.location_id)::uuid, l.variant_id, l.location_id, l.position + 1, 'revaluation', 0,
       l.on_hand, coalesce(l.value, 0) - coalesce(m.value, 0), 'migration', l.variant_id, l.location_id,
       (SELECT max(updated_at) FROM stock_levels)
  FROM stock_levels l
  LEFT JOIN (SELECT variant_id, location_id, sum(quantity * unit_cost) AS value
               FROM stock_movements GROUP BY variant_id, location_id) m USING (variant_id, location_id)
 WHERE coalesce(l.value, 0) <> coalesce(m.value, 0);
-- reason: as above.
UPDATE stock_levels l SET position = l.position + 1
  FROM stock_movements m
 WHERE m.variant_id = l.variant_id AND m.location_id = l.location_id AND m.source_type = 'migration';

-- reason: the lines of transfers, each with its movements.
UPDATE stock_transfer_lines l
   SET sent_value = sent.value, transit_value = sent.value - coalesce(ended.value, 0)
  FROM (SELECT source_line_id, -sum(quantity * unit_cost) AS value
          FROM stock_movements WHERE source_type = 'transfer' GROUP BY source_line_id) sent
  LEFT JOIN (SELECT source_line_id, sum(quantity * unit_cost) AS value
               FROM stock_movements WHERE source_type = 'transfer_step' GROUP BY source_line_id) ended
            USING (source_line_id)
 WHERE sent.source_line_id = l.id;

-- reason: the lines whose goods are out, each with its movements.
UPDATE order_lines l
   SET cost = greatest(moved.cost, 0)
  FROM (SELECT line_id, -sum(value) AS cost
          FROM (SELECT source_line_id AS line_id, quantity * unit_cost AS value
                  FROM stock_movements WHERE source_type = 'order'
                UNION ALL
                SELECT f.order_line_id, m.quantity * m.unit_cost
                  FROM stock_movements m JOIN fulfilment_lines f ON f.id = m.source_line_id
                 WHERE m.source_type = 'fulfilment'
                UNION ALL
                SELECT r.order_line_id, m.quantity * m.unit_cost
                  FROM stock_movements m JOIN order_return_lines r ON r.id = m.source_line_id
                 WHERE m.source_type = 'return' AND m.kind = 'return') moved
         GROUP BY line_id) moved
 WHERE moved.line_id = l.id AND l.fulfilled > l.returned;

-- What is out of a line is what reports have of it: what was sold, less what was refunded. The rest of what the line
-- still owes is open.
-- reason: the lines that were fulfilled, cancelled or returned in parts.
UPDATE order_lines l
   SET out_total = least(of.sold - of.refunded, l.total - l.credited),
       out_tax = of.sold_tax - of.refunded_tax,
       open_total = CASE WHEN of.open = 0 THEN 0
                         ELSE l.total - l.credited - least(of.sold - of.refunded, l.total - l.credited) END,
       open_tax = round(l.tax * of.open / l.quantity, of.decimals),
       open_discount = round(l.discount * of.open / l.quantity, of.decimals)
  FROM (SELECT l.id, l.quantity - l.fulfilled - l.cancelled AS open, s.currency_decimals::integer AS decimals,
               CASE WHEN f.order_line_id IS NOT NULL THEN f.total
                    WHEN l.fulfilled > 0 THEN l.total ELSE 0 END AS sold,
               CASE WHEN f.order_line_id IS NOT NULL THEN f.tax
                    WHEN l.fulfilled > 0 THEN l.tax ELSE 0 END AS sold_tax,
               coalesce(r.refund, 0) AS refunded, coalesce(r.tax, 0) AS refunded_tax
          FROM order_lines l
          CROSS JOIN settings s
          LEFT JOIN (SELECT f.order_line_id, sum(coalesce(f.total, l.total * f.quantity / l.quantity)) AS total,
                            sum(coalesce(f.tax, l.tax * f.quantity / l.quantity)) AS tax
                       FROM fulfilment_lines f JOIN order_lines l ON l.id = f.order_line_id
                      GROUP BY f.order_line_id) f ON f.order_line_id = l.id
          LEFT JOIN (SELECT r.order_line_id, sum(r.refund) AS refund,
                            sum(coalesce(r.tax, l.tax * r.refund / nullif(l.total, 0), 0)) AS tax
                       FROM order_return_lines r JOIN order_lines l ON l.id = r.order_line_id
                      GROUP BY r.order_line_id) r ON r.order_line_id = l.id
         WHERE f.order_line_id IS NOT NULL OR l.cancelled > 0 OR l.returned > 0) of
 WHERE of.id = l.id;

ALTER TABLE stock_levels DROP COLUMN average_cost;
ALTER TABLE order_lines DROP COLUMN unit_cost;
ALTER TABLE order_return_lines DROP COLUMN unit_cost;
ALTER TABLE stock_transfer_lines DROP COLUMN unit_cost;
