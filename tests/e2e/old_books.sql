-- A business of the release before values were kept: goods that were bought, sold at once, sold in parts, returned and
-- sent to another location.
SET search_path = business_1, extensions;
INSERT INTO locations (id, name, is_default, created_at, updated_at)
VALUES ('00000000-0000-7000-8000-000000000002', 'Shed', false, now(), now());
CREATE TEMP TABLE place AS SELECT id AS main, '00000000-0000-7000-8000-000000000002'::uuid AS shed,
       '00000000-0000-7000-8000-000000000003'::uuid AS pin FROM locations WHERE is_default;
INSERT INTO products (id, name, option_names, created_at, updated_at)
SELECT pin, 'Pin', '{}', now(), now() FROM place;
INSERT INTO variants (id, product_id, sku, price, options, created_at, updated_at)
SELECT pin, pin, 'PIN', 3.33, '{}', now(), now() FROM place;
INSERT INTO orders (id, number, location_id, status, subtotal, discount, tax, total, credited, request_hash,
                    placed_at, updated_at)
SELECT md5('order ' || n)::uuid, n, main, CASE n WHEN 1 THEN 'fulfilled' ELSE 'partly_fulfilled' END, 9.99, 0,
       0.99, 9.99, CASE n WHEN 1 THEN 3.33 ELSE 2.50 END, '', now(), now()
  FROM place, generate_series(1, 2) n;
INSERT INTO order_lines (id, order_id, position, variant_id, sku, name, quantity, price, list_price, discount,
                         taxes, tax, total, fulfilled, cancelled, returned, credited, unit_cost)
SELECT md5('line ' || n)::uuid, md5('order ' || n)::uuid, 1, pin, 'PIN', 'Pin', n + 2, 3.33, 3.33, 0, '[]', 0.99,
       9.99, CASE n WHEN 1 THEN 3 ELSE 2 END, n - 1, 2 - n, CASE n WHEN 1 THEN 3.33 ELSE 2.50 END, 1.3333
  FROM place, generate_series(1, 2) n;
INSERT INTO fulfilments (id, order_id, request_hash, fulfilled_at)
VALUES (md5('fulfilment')::uuid, md5('order 2')::uuid, '', now());
INSERT INTO fulfilment_lines (id, fulfilment_id, order_line_id, quantity, total, tax, discount)
VALUES (md5('left')::uuid, md5('fulfilment')::uuid, md5('line 2')::uuid, 2, 5.00, 0.50, 0);
INSERT INTO order_returns (id, order_id, number, reason, refund, request_hash, returned_at)
VALUES (md5('return')::uuid, md5('order 1')::uuid, 1, 'rusty', 3.33, '', now());
INSERT INTO order_return_lines (id, return_id, order_line_id, quantity, is_restocked, refund, tax, unit_cost)
VALUES (md5('back')::uuid, md5('return')::uuid, md5('line 1')::uuid, 1, true, 3.33, 0.33, 1.3333);
INSERT INTO stock_transfers (id, number, from_location_id, to_location_id, status, request_hash, sent_at,
                             updated_at)
SELECT md5('transfer')::uuid, 1, main, shed, 'partly_received', '', now(), now() FROM place;
INSERT INTO stock_transfer_lines (id, transfer_id, variant_id, quantity, received, unit_cost)
SELECT md5('sent')::uuid, md5('transfer')::uuid, pin, 2, 1, 1.3333 FROM place;
INSERT INTO stock_movements (id, variant_id, location_id, position, kind, quantity, balance_after, unit_cost,
                             source_type, source_id, source_line_id, occurred_at)
SELECT md5('movement ' || place_name || position)::uuid, pin, CASE place_name WHEN 'main' THEN main ELSE shed END,
       position, kind, quantity, balance, 1.3333, source, md5(document)::uuid, md5(line)::uuid, now()
  FROM place, (VALUES ('main', 1, 'purchase', 10, 10, 'goods_receipt', 'receipt', 'received'),
                      ('main', 2, 'sale', -3, 7, 'order', 'order 1', 'line 1'),
                      ('main', 3, 'return', 1, 8, 'return', 'return', 'back'),
                      ('main', 4, 'sale', -2, 6, 'fulfilment', 'fulfilment', 'left'),
                      ('main', 5, 'transfer', -2, 4, 'transfer', 'transfer', 'sent'),
                      ('shed', 1, 'transfer', 1, 1, 'transfer_step', 'step', 'sent'))
              AS m (place_name, position, kind, quantity, balance, source, document, line);
INSERT INTO stock_levels (variant_id, location_id, on_hand, reserved, position, average_cost, updated_at)
SELECT pin, main, 4, 1, 5, 1.33333333333333, now() FROM place
 UNION ALL
SELECT pin, shed, 1, 0, 1, 1.3333, now() FROM place;
