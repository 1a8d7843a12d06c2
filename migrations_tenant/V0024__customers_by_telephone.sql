-- Customers are found by email and by the digits of their telephone number, too.
-- reason: a business has some ten thousand customers; each index is built in a moment.
CREATE INDEX customers_email_idx ON customers USING gin (email gin_trgm_ops) WITH (fastupdate = off);
-- reason: as above.
CREATE INDEX customers_phone_idx ON customers USING gin (regexp_replace(phone, '[^0-9]', '', 'g') gin_trgm_ops)
    WITH (fastupdate = off);
