-- The number of decimals of a quantity in which the product is counted, bought and sold. Existing products keep three.
-- reason: the default is a constant, so no row is written; a business has some ten thousand products.
ALTER TABLE products
    ADD COLUMN quantity_decimals smallint NOT NULL DEFAULT 3
        CONSTRAINT products_quantity_decimals_check CHECK (quantity_decimals BETWEEN 0 AND 3);
