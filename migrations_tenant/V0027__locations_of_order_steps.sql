-- Where goods of an order left from, and where they came back to. Null: the location of the order.
ALTER TABLE fulfilments ADD COLUMN location_id uuid;
ALTER TABLE fulfilments ADD CONSTRAINT fulfilments_location_id_fkey
    FOREIGN KEY (location_id) REFERENCES locations (id) NOT VALID;
ALTER TABLE order_returns ADD COLUMN location_id uuid;
ALTER TABLE order_returns ADD CONSTRAINT order_returns_location_id_fkey
    FOREIGN KEY (location_id) REFERENCES locations (id) NOT VALID;
-- reason: the columns are new and null everywhere.
CREATE INDEX fulfilments_location_id_idx ON fulfilments (location_id) WHERE location_id IS NOT NULL;
-- reason: as above.
CREATE INDEX order_returns_location_id_idx ON order_returns (location_id) WHERE location_id IS NOT NULL;
