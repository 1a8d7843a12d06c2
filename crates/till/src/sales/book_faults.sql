-- Receipts, lines and credit that differ from what they are computed of. Each row names what differs.
WITH numbered AS (
    SELECT series, count(*) AS receipts, max(number) AS last,
           coalesce((SELECT next - 1 FROM counters c WHERE c.kind = 'till_receipt' AND c.series = s.series), 0) AS taken
      FROM sales s GROUP BY series
), taken AS (
    SELECT series, next - 1 AS taken FROM counters WHERE kind = 'till_receipt' AND next > 1
), sold AS (
    SELECT sale_id, sum(total) AS total, sum(tax) AS tax FROM sale_lines GROUP BY sale_id
), gave_back AS (
    SELECT sale_id, sum(amount) AS amount, sum(tax) AS tax FROM sale_returns GROUP BY sale_id
), paid AS (
    SELECT sale_id, sum(amount) AS amount FROM sale_payments GROUP BY sale_id
), came_back AS (
    SELECT r.line_id, sum(r.quantity) AS quantity, sum(r.amount) AS amount, sum(r.tax) AS tax
      FROM sale_returns r GROUP BY r.line_id
), moved AS (
    SELECT credit_id, sum(amount) AS amount, count(*) AS movements,
           count(*) FILTER (WHERE balance_after <> running OR position <> place) AS broken
      FROM (SELECT credit_id, amount, balance_after, position, sum(amount) OVER line AS running,
                   row_number() OVER line AS place
              FROM credit_movements WINDOW line AS (PARTITION BY credit_id ORDER BY position)) AS movement
     GROUP BY credit_id
)
-- Receipts that were voided and count again.
SELECT 'void' AS fault, s.id::text AS subject, 0 AS stored, 1 AS computed
  FROM audit_log a JOIN sales s ON s.id = a.subject_id
 WHERE a.action = 'sale.voided' AND s.voided_at IS NULL
 UNION ALL
SELECT 'numbers' AS fault, series AS subject, greatest(last, taken) AS stored, receipts AS computed
  FROM numbered WHERE receipts <> last OR last <> taken
 UNION ALL
SELECT 'numbers', series, taken, 0 FROM taken WHERE NOT EXISTS (SELECT FROM sales s WHERE s.series = taken.series)
 UNION ALL
SELECT 'total', s.id::text, s.total, coalesce(sold.total, 0) - coalesce(gave_back.amount, 0)
  FROM sales s LEFT JOIN sold ON sold.sale_id = s.id LEFT JOIN gave_back ON gave_back.sale_id = s.id
 WHERE s.total <> coalesce(sold.total, 0) - coalesce(gave_back.amount, 0)
    OR s.returned <> coalesce(gave_back.amount, 0)
 UNION ALL
SELECT 'tax', s.id::text, s.tax, coalesce(sold.tax, 0) - coalesce(gave_back.tax, 0)
  FROM sales s LEFT JOIN sold ON sold.sale_id = s.id LEFT JOIN gave_back ON gave_back.sale_id = s.id
 WHERE s.tax <> coalesce(sold.tax, 0) - coalesce(gave_back.tax, 0)
 UNION ALL
SELECT 'payments', s.id::text, s.total + s.rounding, coalesce(paid.amount, 0)
  FROM sales s LEFT JOIN paid ON paid.sale_id = s.id
 WHERE s.total + s.rounding <> coalesce(paid.amount, 0)
 UNION ALL
SELECT 'returns', l.id::text, l.refunded, coalesce(came_back.amount, 0)
  FROM sale_lines l LEFT JOIN came_back ON came_back.line_id = l.id
 WHERE l.refunded <> coalesce(came_back.amount, 0) OR l.returned <> coalesce(came_back.quantity, 0)
    OR l.refunded_tax <> coalesce(came_back.tax, 0)
 UNION ALL
SELECT 'credit', c.id::text, c.balance, coalesce(moved.amount, 0)
  FROM credits c LEFT JOIN moved ON moved.credit_id = c.id
 WHERE c.balance <> coalesce(moved.amount, 0) OR coalesce(moved.broken, 0) > 0
    OR c.position <> coalesce(moved.movements, 0)
 UNION ALL
SELECT 'credit', coalesce(m.sale_id, p.sale_id)::text, coalesce(p.change, 0), coalesce(m.amount, 0)
  FROM (SELECT sale_id, credit_id, sum(amount) AS amount FROM credit_movements GROUP BY sale_id, credit_id) m
  FULL JOIN (SELECT p.sale_id, p.credit_id,
                    CASE WHEN min(s.voided_at) IS NOT NULL THEN 0
                         ELSE sum(CASE WHEN p.method = 'on_account' THEN p.amount ELSE -p.amount END) END AS change
               FROM sale_payments p JOIN sales s ON s.id = p.sale_id
              WHERE p.credit_id IS NOT NULL GROUP BY p.sale_id, p.credit_id) p
    ON p.sale_id = m.sale_id AND p.credit_id = m.credit_id
 WHERE coalesce(p.change, 0) <> coalesce(m.amount, 0)
 UNION ALL
SELECT 'mobile_money', p.id::text, p.used, coalesce(sum(u.amount), 0)
  FROM mobile_payments p LEFT JOIN mobile_payment_uses u ON u.mobile_payment_id = p.id AND u.released_at IS NULL
 GROUP BY p.id, p.used HAVING p.used <> coalesce(sum(u.amount), 0)
 UNION ALL
SELECT 'mobile_money', u.mobile_payment_id::text, u.amount,
       coalesce(CASE WHEN s.voided_at IS NULL THEN p.amount END, o.amount, 0)
  FROM mobile_payment_uses u
  LEFT JOIN sale_payments p ON p.id = u.sale_payment_id LEFT JOIN sales s ON s.id = p.sale_id
  LEFT JOIN order_payments o ON o.id = u.order_payment_id
 WHERE u.released_at IS NULL
   AND u.amount <> coalesce(CASE WHEN s.voided_at IS NULL THEN p.amount END, o.amount, 0)
 ORDER BY fault, subject
 LIMIT 1000
