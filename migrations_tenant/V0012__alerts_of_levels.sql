-- An alert is of a level. Whoever opens one holds the level, and is not to wait for the location's row as well: who archives
-- the location holds that row, and waits for the level.
ALTER TABLE low_stock_alerts DROP CONSTRAINT low_stock_alerts_location_id_fkey;
ALTER TABLE low_stock_alerts DROP CONSTRAINT low_stock_alerts_variant_id_fkey;
-- reason: a business has some thousands of alerts at most; looking their levels up takes milliseconds.
ALTER TABLE low_stock_alerts ADD CONSTRAINT low_stock_alerts_level_fkey
    FOREIGN KEY (variant_id, location_id) REFERENCES stock_levels (variant_id, location_id);
