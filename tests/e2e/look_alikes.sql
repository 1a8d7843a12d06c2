-- Equal names of a business of the release before names had keys.
SET search_path = business_1, extensions;
INSERT INTO locations (id, name, is_default, created_at, updated_at)
VALUES ('00000000-0000-7000-8000-000000000011', 'Shed', false, '2026-01-01', now()),
       ('00000000-0000-7000-8000-000000000012', 'SHED', false, '2026-01-02', now());
INSERT INTO suppliers (id, name, created_at, updated_at)
VALUES ('00000000-0000-7000-8000-000000000021', 'Acme', '2026-01-01', now()),
       ('00000000-0000-7000-8000-000000000022', 'acme', '2026-01-02', now()),
       ('00000000-0000-7000-8000-000000000023', 'ACME', '2026-01-03', now());
INSERT INTO tax_classes (id, name, is_inclusive, rates, created_at, updated_at)
VALUES ('00000000-0000-7000-8000-000000000031', 'VAT', true, '[]', '2026-01-01', now()),
       ('00000000-0000-7000-8000-000000000032', 'vat', true, '[]', '2026-01-02', now());
INSERT INTO categories (id, name, parent_id, created_at, updated_at)
VALUES ('00000000-0000-7000-8000-000000000041', 'Tools', NULL, '2026-01-01', now()),
       ('00000000-0000-7000-8000-000000000042', 'TOOLS', NULL, '2026-01-02', now()),
       ('00000000-0000-7000-8000-000000000043', 'tools', '00000000-0000-7000-8000-000000000041', '2026-01-03', now());
INSERT INTO products (id, name, option_names, tags, created_at, updated_at)
VALUES ('00000000-0000-7000-8000-000000000051', 'Crème bolt', '{Size}', '{Été}', now(), now());
INSERT INTO variants (id, product_id, sku, price, options, created_at, updated_at)
SELECT ('00000000-0000-7000-8000-00000000006' || n)::uuid, '00000000-0000-7000-8000-000000000051', sku, 1, options::jsonb,
       timestamptz '2026-01-01' + n * interval '1 day', now()
  FROM (VALUES (1, 'Bolt', '{"Size": "1"}'), (2, 'BOLT', '{"Size": "2"}'), (3, 'Shirt-1', '{"Size": "m"}'),
               (4, 'SHIRT-2', '{"Size": "M"}')) AS new (n, sku, options);
INSERT INTO barcodes (code, number, variant_id, created_at)
VALUES ('04006381333931', '04006381333931', '00000000-0000-7000-8000-000000000061', now()),
       ('4006381333931', NULL, '00000000-0000-7000-8000-000000000062', now());
INSERT INTO purchase_orders (id, number, supplier_id, location_id, status, currency, total, request_hash, created_at,
                             updated_at)
SELECT '00000000-0000-7000-8000-000000000071', 1, '00000000-0000-7000-8000-000000000021', id, 'SENT', 'USD', 1, '', now(),
       now()
  FROM locations WHERE is_default;
INSERT INTO goods_receipts (id, number, purchase_order_id, supplier_id, delivery_note, request_hash, received_at)
SELECT ('00000000-0000-7000-8000-00000000008' || n)::uuid, n, '00000000-0000-7000-8000-000000000071',
       '00000000-0000-7000-8000-000000000021', note, '', timestamptz '2026-01-01' + n * interval '1 day'
  FROM (VALUES (1, 'Dn-1'), (2, 'DN-1'), (3, NULL)) AS new (n, note);
