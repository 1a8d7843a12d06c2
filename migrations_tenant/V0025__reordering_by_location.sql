-- The stock that a reorder restores. Null: the reorder level and the sales of a month.
-- reason: the column is new and null everywhere; a business has some ten thousand variants.
ALTER TABLE variants
    ADD COLUMN target_quantity numeric(14, 3)
        CONSTRAINT variants_target_quantity_check CHECK (target_quantity >= 0);

-- A location may have its own reorder level and its own target; null: those of the variant. A location that does not keep
-- the variant has neither.
-- reason: as above.
ALTER TABLE stock_levels
    ADD COLUMN is_kept boolean NOT NULL DEFAULT true,
    ADD COLUMN reorder_level numeric(14, 3)
        CONSTRAINT stock_levels_reorder_level_check CHECK (reorder_level >= 0),
    ADD COLUMN target_quantity numeric(14, 3)
        CONSTRAINT stock_levels_target_quantity_check CHECK (target_quantity >= 0),
    -- Counts the changes of these columns; stock does not change it.
    ADD COLUMN reordering_version integer NOT NULL DEFAULT 1;

-- Goods that were lost in transit, and why.
-- reason: the column is new and zero everywhere; a business has some thousands of these lines.
ALTER TABLE stock_transfer_lines ADD COLUMN written_off numeric(14, 3) NOT NULL DEFAULT 0;
ALTER TABLE stock_transfer_lines DROP CONSTRAINT stock_transfer_lines_open_check;
ALTER TABLE stock_transfer_lines ADD CONSTRAINT stock_transfer_lines_open_check
    CHECK (received >= 0 AND sent_back >= 0 AND written_off >= 0 AND received + sent_back + written_off <= quantity)
    NOT VALID;
ALTER TABLE stock_transfer_steps DROP CONSTRAINT stock_transfer_steps_kind_check;
ALTER TABLE stock_transfer_steps ADD CONSTRAINT stock_transfer_steps_kind_check
    CHECK (kind IN ('receive', 'send_back', 'write_off')) NOT VALID;

-- The goods that are on their way to a location.
-- reason: a business has some thousands of these lines; reading them once takes milliseconds.
CREATE INDEX stock_transfer_lines_in_transit_idx ON stock_transfer_lines (variant_id)
    WHERE received + sent_back + written_off < quantity;
