-- reason: the table has one row.
ALTER TABLE settings
    -- The patterns of the barcodes that the scales of the shop print, such as 21IIIIIQQ.QQQC. The first that fits
    -- counts.
    ADD COLUMN label_patterns text[] NOT NULL DEFAULT '{}';
