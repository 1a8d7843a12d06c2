//! A large business, written by SQL: the data of years of trading.

use tokio_postgres::Client;

/// The size of a business. Each product has two variants, each variant has 50 stock movements, and each order
/// has two lines. The orders are spread over the last 400 days.
#[derive(Debug, Clone, Copy)]
pub struct Volume {
    pub products: u32,
    pub orders: u32,
    pub customers: u32,
    pub purchase_orders: u32,
}

/// 10,000 variants, 500,000 stock movements, 200,000 order lines.
pub const LARGE: Volume =
    Volume { products: 5_000, orders: 100_000, customers: 20_000, purchase_orders: 4_000 };

/// Fills the schema of a new business. Stock levels, stock movements and reservations agree. Every tenth
/// variant is low.
pub async fn fill(admin: &Client, schema: &str, volume: &Volume) {
    let Volume { products, orders, customers, purchase_orders } = volume;
    // UUIDs in order of time, as the application creates them.
    let key = "(lpad(to_hex((extract(epoch FROM at) * 1000)::bigint), 12, '0')
                || '7' || substr(md5(random()::text), 1, 3)
                || '8' || substr(md5(random()::text), 1, 15))::uuid";
    let sql = format!(
        "BEGIN;
         SET LOCAL search_path = {schema}, extensions;
         SET LOCAL session_replication_role = replica;
         CREATE TEMP TABLE place ON COMMIT DROP AS SELECT id AS location_id FROM locations WHERE is_default;

         INSERT INTO products (id, name, option_names, created_at, updated_at)
         SELECT {key}, 'Product ' || n || ' ' || md5(n::text), '{{Size}}', at, at
           FROM generate_series(1, {products}) n,
                LATERAL (SELECT now() - interval '400 days' + n * interval '1 ms' AS at) t;
         INSERT INTO variants (id, product_id, sku, sku_key, price, cost, reorder_level, options, created_at,
                               updated_at)
         SELECT gen_random_uuid(), id, upper(sku), sku, 12.5, 4, 20, jsonb_build_object('Size', size),
                created_at, created_at
           FROM (SELECT id, created_at, size, substr(md5(id::text), 1, 10) || '-' || lower(size) AS sku
                   FROM products, unnest(ARRAY['S', 'L']) size) p;
         INSERT INTO barcodes (code, variant_id, created_at) SELECT md5(id::text), id, now() FROM variants;
         UPDATE products p
            SET search_text = lower(p.name) || (
                SELECT string_agg(' ' || v.sku_key || ' ' || b.code, '')
                  FROM variants v JOIN barcodes b ON b.variant_id = v.id WHERE v.product_id = p.id);

         INSERT INTO stock_movements (id, variant_id, location_id, position, kind, quantity, balance_after,
                                      value, source_type, source_id, source_line_id, occurred_at)
         SELECT {key}, v.id, location_id, n,
                CASE WHEN n = 1 THEN 'purchase' WHEN n % 10 = 0 THEN 'return' ELSE 'sale' END,
                CASE WHEN n = 1 THEN stock + 39 WHEN n % 10 = 0 THEN 1 ELSE -1 END,
                stock + 39 - (n - 1) + 2 * (n / 10),
                4 * CASE WHEN n = 1 THEN stock + 39 WHEN n % 10 = 0 THEN 1 ELSE -1 END,
                'order', gen_random_uuid(), gen_random_uuid(), at
           FROM (SELECT id, CASE WHEN row_number() OVER (ORDER BY id) % 10 = 0 THEN 7 ELSE 100 END AS stock
                   FROM variants) v
          CROSS JOIN place CROSS JOIN generate_series(1, 50) n
          CROSS JOIN LATERAL (SELECT now() - (51 - n) * interval '8 days'
                                     + random() * interval '8 days' AS at) t;
         INSERT INTO stock_levels (variant_id, location_id, on_hand, reserved, position, value, updated_at)
         SELECT variant_id, location_id, balance_after, 0, 50, 4 * balance_after, now()
           FROM stock_movements WHERE position = 50;

         INSERT INTO customers (id, name, search_text, created_at, updated_at)
         SELECT gen_random_uuid(), 'Customer ' || md5(n::text), 'customer ' || md5(n::text) || chr(10),
                now(), now()
           FROM generate_series(1, {customers}) n;
         CREATE TEMP TABLE buyer ON COMMIT DROP AS SELECT row_number() OVER () AS n, id FROM customers;
         CREATE TEMP TABLE sold ON COMMIT DROP AS SELECT row_number() OVER () AS n, id, sku FROM variants;
         CREATE INDEX ON buyer (n); CREATE INDEX ON sold (n);
         INSERT INTO orders (id, number, customer_id, location_id, status, subtotal, discount, tax, total,
                             request_hash, placed_at, updated_at)
         SELECT {key}, o.n, buyer.id, location_id,
                CASE WHEN o.n % 100 = 0 THEN 'cancelled' ELSE 'fulfilled' END,
                25, 0, 0, 25, '', at, at
           FROM (SELECT n, now() - (({orders} - n) * 400.0 / {orders}) * interval '1 day' AS at
                   FROM generate_series(1, {orders}) n) o
           JOIN buyer ON buyer.n = 1 + o.n % {customers}
          CROSS JOIN place;
         INSERT INTO order_lines (id, order_id, position, variant_id, sku, name, quantity, price, list_price,
                                  discount, taxes, tax, total, fulfilled, cancelled, cost)
         SELECT gen_random_uuid(), o.id, p, sold.id, sold.sku, 'Product', 1, 12.5, 12.5, 0, '[]', 0, 12.5,
                (o.status = 'fulfilled')::integer, (o.status = 'cancelled')::integer, 4
           FROM orders o CROSS JOIN generate_series(1, 2) p
           JOIN sold ON sold.n = 1 + (o.number * 7 + p) % (2 * {products});
         INSERT INTO counters (kind, series, next)
         VALUES ('order', '', {orders} + 1), ('purchase_order', '', {purchase_orders} + 1);

         INSERT INTO suppliers (id, name, name_key, created_at, updated_at)
         SELECT gen_random_uuid(), 'Supplier ' || n, 'supplier ' || n, now(), now()
           FROM generate_series(1, 50) n;
         CREATE TEMP TABLE seller ON COMMIT DROP AS SELECT row_number() OVER () AS n, id FROM suppliers;
         INSERT INTO purchase_orders (id, number, supplier_id, location_id, status, currency, total,
                                      request_hash, created_at, updated_at)
         SELECT {key}, o.n, seller.id, location_id, CASE WHEN o.n % 50 = 0 THEN 'SENT' ELSE 'RECEIVED' END,
                'EUR', 40, '', at, at
           FROM (SELECT n, now() - ({purchase_orders} - n) * interval '2 hours' AS at
                   FROM generate_series(1, {purchase_orders}) n) o
           JOIN seller ON seller.n = 1 + o.n % 50
          CROSS JOIN place;
         INSERT INTO purchase_order_lines (id, purchase_order_id, position, variant_id, sku, name, quantity,
                                           unit_cost, total, received, tolerance)
         SELECT gen_random_uuid(), o.id, p, sold.id, sold.sku, 'Product', 10, 4, 40,
                CASE WHEN o.status = 'RECEIVED' THEN 10 ELSE 0 END, 0
           FROM purchase_orders o CROSS JOIN generate_series(1, 5) p
           JOIN sold ON sold.n = 1 + (o.number * 13 + p) % (2 * {products});
         INSERT INTO low_stock_alerts (id, variant_id, location_id, is_out, is_covered, opened_at, updated_at)
         SELECT gen_random_uuid(), variant_id, location_id, false, false, now(), now()
           FROM stock_levels WHERE on_hand <= 20;
         COMMIT;"
    );
    admin.batch_execute(&sql).await.unwrap();
    admin.batch_execute("VACUUM ANALYZE").await.unwrap();
}

/// Adds receipts of five registers to a business that [`fill`] has filled: 200 shifts of each, two lines
/// and one payment in each receipt.
pub async fn fill_sales(admin: &Client, schema: &str, sales: u32) {
    let sql = format!(
        "BEGIN;
         SET LOCAL search_path = {schema}, extensions;
         SET LOCAL session_replication_role = replica;
         INSERT INTO registers (id, name, name_key, series, location_id, created_at, updated_at)
         SELECT gen_random_uuid(), 'Till ' || n, 'till ' || n, 'R' || n, l.id, now(), now()
           FROM generate_series(1, 5) n, locations l WHERE l.is_default;
         INSERT INTO shifts (id, register_id, status, opening_float, opened_at, counted_at, closed_at,
                             request_hash)
         SELECT gen_random_uuid(), id, 'closed', 100, at, at, at, ''
           FROM registers, LATERAL (SELECT now() - n * interval '1 day' AS at
                                      FROM generate_series(1, 200) n) t;
         CREATE TEMP TABLE worked ON COMMIT DROP AS
             SELECT row_number() OVER (ORDER BY s.opened_at) AS n, s.id, s.register_id, s.opened_at, r.series
               FROM shifts s JOIN registers r ON r.id = s.register_id;
         CREATE TEMP TABLE buyer ON COMMIT DROP AS SELECT row_number() OVER () AS n, id FROM customers;
         CREATE TEMP TABLE sold ON COMMIT DROP AS SELECT row_number() OVER () AS n, id, sku FROM variants;
         INSERT INTO sales (id, register_id, shift_id, location_id, customer_id, series, number, kind,
                            subtotal, discount, returned, tax, total, rounding, sold_at, request_hash)
         SELECT gen_random_uuid(), w.register_id, w.id, l.id, b.id, w.series || '-2026',
                row_number() OVER (PARTITION BY w.series ORDER BY k), 'sale', 25, 0, 0, 0,
                25, 0, w.opened_at + (k % 600) * interval '1 minute', ''
           FROM generate_series(1, {sales}) k
           JOIN worked w ON w.n = 1 + k % 1000
           JOIN buyer b ON b.n = 1 + k % (SELECT count(*) FROM buyer)
           JOIN locations l ON l.is_default;
         INSERT INTO counters (kind, series, next)
         SELECT 'till_receipt', series, max(number) + 1 FROM sales GROUP BY series;
         INSERT INTO sale_lines (id, sale_id, position, variant_id, kind, sku, name, quantity, price,
                                 list_price, discount, taxes, tax, total, cost)
         SELECT gen_random_uuid(), s.id, p, sold.id, 'goods', sold.sku, 'Product', 1, 12.5, 12.5, 0, '[]', 0,
                12.5, 4
           FROM sales s CROSS JOIN generate_series(1, 2) p
           JOIN sold ON sold.n = 1 + (s.number * 7 + p) % (SELECT count(*) FROM sold);
         INSERT INTO sale_payments (id, sale_id, position, method, amount)
         SELECT gen_random_uuid(), id, 1, CASE WHEN number % 3 = 0 THEN 'card' ELSE 'cash' END, 25 FROM sales;
         COMMIT;"
    );
    admin.batch_execute(&sql).await.unwrap();
    admin.batch_execute("VACUUM ANALYZE").await.unwrap();
}
