-- What so much of an order's line comes to, rounded when it leaves and comes back, so that the parts add up to what is to be
-- paid. Null in what was posted before these were kept.
ALTER TABLE fulfilment_lines
    ADD COLUMN total numeric(14, 4),
    ADD COLUMN tax numeric(14, 4),
    ADD COLUMN discount numeric(14, 4);
ALTER TABLE order_return_lines
    ADD COLUMN tax numeric(14, 4),
    -- What one unit had cost; null too where nobody knew.
    ADD COLUMN unit_cost numeric(14, 4);
