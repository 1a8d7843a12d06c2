-- The ids of records in programs elsewhere, and notes of these programs:
-- {"source": "shopify", "id": "4711", "metadata": {"colour": "red"}}. A constant default rewrites nothing.
ALTER TABLE products ADD COLUMN own_keys jsonb NOT NULL DEFAULT '{}';
ALTER TABLE variants ADD COLUMN own_keys jsonb NOT NULL DEFAULT '{}';
ALTER TABLE customers ADD COLUMN own_keys jsonb NOT NULL DEFAULT '{}';
ALTER TABLE suppliers ADD COLUMN own_keys jsonb NOT NULL DEFAULT '{}';
ALTER TABLE orders ADD COLUMN own_keys jsonb NOT NULL DEFAULT '{}';
ALTER TABLE purchase_orders ADD COLUMN own_keys jsonb NOT NULL DEFAULT '{}';

-- An external id is unique for each kind of record and each source.
-- reason: no row has an external id yet, so the index is empty, and reading the table once takes little time.
CREATE UNIQUE INDEX products_external_key ON products ((own_keys ->> 'id'), (own_keys ->> 'source'))
    WHERE own_keys ->> 'id' IS NOT NULL;
-- reason: as above.
CREATE UNIQUE INDEX variants_external_key ON variants ((own_keys ->> 'id'), (own_keys ->> 'source'))
    WHERE own_keys ->> 'id' IS NOT NULL;
-- reason: as above.
CREATE UNIQUE INDEX customers_external_key ON customers ((own_keys ->> 'id'), (own_keys ->> 'source'))
    WHERE own_keys ->> 'id' IS NOT NULL;
-- reason: as above.
CREATE UNIQUE INDEX suppliers_external_key ON suppliers ((own_keys ->> 'id'), (own_keys ->> 'source'))
    WHERE own_keys ->> 'id' IS NOT NULL;
-- reason: as above.
CREATE UNIQUE INDEX orders_external_key ON orders ((own_keys ->> 'id'), (own_keys ->> 'source'))
    WHERE own_keys ->> 'id' IS NOT NULL;
-- reason: as above.
CREATE UNIQUE INDEX purchase_orders_external_key ON purchase_orders ((own_keys ->> 'id'), (own_keys ->> 'source'))
    WHERE own_keys ->> 'id' IS NOT NULL;
