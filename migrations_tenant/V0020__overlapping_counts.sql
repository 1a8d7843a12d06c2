-- A count may find fewer goods than orders have reserved. The books then show what is there.
ALTER TABLE stock_levels DROP CONSTRAINT stock_levels_reserved_check;
ALTER TABLE stock_levels ADD CONSTRAINT stock_levels_reserved_check CHECK (reserved >= 0) NOT VALID;

ALTER TABLE stock_count_lines
    -- The change of stock that posting the line made. Null: not posted.
    ADD COLUMN posted numeric(14, 3),
    -- Why a line of a posted count was not posted.
    -- reason: the column is new and null everywhere.
    ADD COLUMN refusal text CONSTRAINT stock_count_lines_refusal_check
        CHECK (refusal IN ('moved_since', 'location_archived'));
-- reason: one pass over the lines of posted counts.
UPDATE stock_count_lines l SET posted = l.counted - l.expected
  FROM stock_counts c
 WHERE c.id = l.count_id AND c.status = 'posted';
