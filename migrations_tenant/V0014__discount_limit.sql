-- How much whoever may not set prices takes off an order at most, in percent of what its prices come to.
-- reason: the table has one row.
ALTER TABLE settings
    ADD COLUMN discount_limit_percent numeric(5, 2) NOT NULL DEFAULT 100
        CONSTRAINT settings_discount_limit_percent_check CHECK (discount_limit_percent BETWEEN 0 AND 100);
