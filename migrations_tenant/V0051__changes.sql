-- Programs elsewhere read records in the order of their last changes.
-- reason: a list of a few thousand rows, so the index is built in milliseconds.
CREATE INDEX products_updated_at_idx ON products (updated_at, id);
-- reason: as above.
CREATE INDEX variants_updated_at_idx ON variants (updated_at, id);
-- reason: as above.
CREATE INDEX customers_updated_at_idx ON customers (updated_at, id);
-- reason: as above.
CREATE INDEX suppliers_updated_at_idx ON suppliers (updated_at, id);
-- reason: building the index of 100,000 orders takes a tenth of a second.
CREATE INDEX orders_updated_at_idx ON orders (updated_at, id);
-- reason: as above.
CREATE INDEX purchase_orders_updated_at_idx ON purchase_orders (updated_at, id);
