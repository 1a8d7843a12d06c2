-- What moved since a moment, for figures of the last days: all that they sum is in the index.
-- reason: orders wait while a large ledger is read once, some 300 ms for 500,000 movements; transactions cannot build it otherwise.
CREATE INDEX stock_movements_occurred_at_idx ON stock_movements (occurred_at) INCLUDE (variant_id, kind, quantity);
