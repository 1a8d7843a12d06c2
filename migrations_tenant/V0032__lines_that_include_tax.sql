-- Whether the price of a line includes its taxes, so that a change of the order keeps that. Null in lines of
-- earlier releases: there the tax and the total tell it.
ALTER TABLE order_lines ADD COLUMN includes_tax boolean;
