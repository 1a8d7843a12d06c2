-- Words by which a shop finds products, beside its categories.
ALTER TABLE products ADD COLUMN tags text[] NOT NULL DEFAULT '{}';
-- reason: a catalogue of 10,000 products is read in milliseconds, and none has a tag yet.
CREATE INDEX products_tags_idx ON products USING gin (tags);
