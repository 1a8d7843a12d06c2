-- When an order must be paid, and what has been paid of it: the sum of its payments.
ALTER TABLE orders
    ADD COLUMN due_on date,
    ADD COLUMN paid numeric(14, 4) NOT NULL DEFAULT 0;

-- What was paid for an order, or paid back: then the amount is negative.
CREATE TABLE order_payments (
    id uuid CONSTRAINT order_payments_pkey PRIMARY KEY,
    order_id uuid NOT NULL CONSTRAINT order_payments_order_id_fkey REFERENCES orders (id),
    method text NOT NULL CONSTRAINT order_payments_method_check
        CHECK (method IN ('cash', 'card', 'bank_transfer', 'mobile_money', 'voucher', 'other')),
    amount numeric(14, 4) NOT NULL CONSTRAINT order_payments_amount_check CHECK (amount <> 0),
    -- The number of the transaction at the bank or of the voucher.
    reference text,
    request_hash bytea NOT NULL,
    actor_id uuid,
    paid_at timestamptz NOT NULL
);

-- What was sold before payments were kept counts as paid, so that only new orders are owed.
WITH sold AS (
    UPDATE orders SET paid = total - credited
     WHERE status = 'fulfilled' AND total > credited
    RETURNING id, paid, placed_at
)
INSERT INTO order_payments (id, order_id, method, amount, reference, request_hash, paid_at)
SELECT id, id, 'other', paid, 'before payments were kept', '', placed_at FROM sold;

CREATE INDEX order_payments_order_id_idx ON order_payments (order_id, id);
-- reason: one pass over the orders; a business has some hundred thousand of them, and most are paid.
CREATE INDEX orders_owing_idx ON orders (placed_at, number) WHERE total - credited - paid > 0;
REVOKE UPDATE, DELETE ON order_payments FROM tenantry_tenant;
