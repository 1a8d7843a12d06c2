-- needs code: 44

ALTER TABLE sales
    -- SHA-256 of the chain hash of the receipt before it in the series, its content and its number. Null: the receipt
    -- was completed before receipts were chained.
    ADD COLUMN chain_hash bytea,
    -- SHA-256 of the chain hash and the void.
    ADD COLUMN void_hash bytea;
GRANT UPDATE (void_hash) ON sales TO tenantry_tenant;
