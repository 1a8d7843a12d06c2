-- What is later is decided by the database's time, not by the time in an id.
-- reason: the table is read once; some 300 ms for 500,000 movements.
CREATE INDEX stock_movements_variant_id_occurred_at_idx ON stock_movements (variant_id, occurred_at, id);
DROP INDEX stock_movements_variant_id_id_idx;
-- reason: a business has some thousands of prices.
CREATE INDEX supplier_prices_supplier_id_valid_from_idx ON supplier_prices (supplier_id, variant_id, valid_from, id);
DROP INDEX supplier_prices_supplier_id_idx;
-- reason: a business has some thousands of prices.
CREATE INDEX supplier_prices_variant_id_valid_from_idx ON supplier_prices (variant_id, supplier_id, valid_from, id);
DROP INDEX supplier_prices_variant_id_idx;
-- reason: a business has some ten thousand changes of prices.
CREATE INDEX price_changes_variant_id_changed_at_idx ON price_changes (variant_id, changed_at, id);
DROP INDEX price_changes_variant_id_idx;
