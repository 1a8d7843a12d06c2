-- Too little of a variant at a location: one open alert, opened and closed in the transaction that changes that.
CREATE TABLE low_stock_alerts (
    id uuid CONSTRAINT low_stock_alerts_pkey PRIMARY KEY,
    variant_id uuid NOT NULL CONSTRAINT low_stock_alerts_variant_id_fkey REFERENCES variants (id),
    location_id uuid NOT NULL CONSTRAINT low_stock_alerts_location_id_fkey REFERENCES locations (id),
    -- Nothing is available at all.
    is_out boolean NOT NULL,
    -- What is on order brings it above its reorder level, until the end of a day: on the next one so much of it is overdue
    -- that it does not. Null: without an end. So whether it is covered today needs no clock to run.
    is_covered boolean NOT NULL,
    covered_until date,
    opened_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    closed_at timestamptz
);
CREATE UNIQUE INDEX low_stock_alerts_open_key ON low_stock_alerts (variant_id, location_id) WHERE closed_at IS NULL;
CREATE INDEX low_stock_alerts_open_idx ON low_stock_alerts (id) WHERE closed_at IS NULL;
CREATE INDEX low_stock_alerts_variant_id_idx ON low_stock_alerts (variant_id);
CREATE INDEX low_stock_alerts_location_id_idx ON low_stock_alerts (location_id);

-- What is still to come of a variant, among all that ever came.
-- reason: a business has some thousands of these lines at most; reading them once takes milliseconds.
CREATE INDEX purchase_order_lines_open_idx ON purchase_order_lines (variant_id) WHERE received < quantity;
