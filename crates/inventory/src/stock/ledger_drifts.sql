-- Stock levels that differ from the sum of their movements, in quantity or in value, or from what open orders have
-- reserved.
WITH ledger AS (
    SELECT variant_id, location_id, sum(quantity) AS ledger, sum(value) AS value, max(position) AS last,
           count(*) FILTER (WHERE balance_after <> running OR position <> place) AS broken
      FROM (SELECT variant_id, location_id, quantity, coalesce(value, quantity * unit_cost, 0) AS value, balance_after,
                   position, sum(quantity) OVER line AS running, row_number() OVER line AS place
              FROM stock_movements
            WINDOW line AS (PARTITION BY variant_id, location_id ORDER BY position)) AS movement
     GROUP BY variant_id, location_id
), promised AS (
    SELECT l.variant_id, o.location_id, sum(l.quantity - l.fulfilled - l.cancelled) AS promised
      FROM order_lines l JOIN orders o ON o.id = l.order_id
     WHERE o.status IN ('reserved', 'partly_fulfilled') AND l.kind = 'goods'
     GROUP BY l.variant_id, o.location_id
)
SELECT variant_id, location_id, coalesce(s.on_hand, 0) AS on_hand, coalesce(ledger, 0) AS ledger,
       coalesce(s.reserved, 0) AS reserved, coalesce(promised, 0) AS promised, coalesce(s.value, 0) AS value,
       coalesce(ledger.value, 0) AS ledger_value, coalesce(broken, 0) AS broken_movements
  FROM stock_levels s
  FULL JOIN ledger USING (variant_id, location_id)
  FULL JOIN promised USING (variant_id, location_id)
 WHERE coalesce(s.on_hand, 0) <> coalesce(ledger, 0) OR coalesce(s.reserved, 0) <> coalesce(promised, 0)
    OR coalesce(s.value, 0) <> coalesce(ledger.value, 0) OR coalesce(broken, 0) > 0
    OR coalesce(s.position, 0) <> coalesce(last, 0)
 ORDER BY variant_id, location_id
 LIMIT 1000
