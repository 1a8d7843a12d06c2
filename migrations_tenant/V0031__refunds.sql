-- Refunds without goods: a part of what was sold is given back, and the goods stay with the customer.
CREATE TABLE order_refunds (
    id uuid CONSTRAINT order_refunds_pkey PRIMARY KEY,
    order_id uuid NOT NULL CONSTRAINT order_refunds_order_id_fkey REFERENCES orders (id),
    reason text NOT NULL,
    amount numeric(14, 4) NOT NULL CONSTRAINT order_refunds_amount_check CHECK (amount > 0),
    request_hash bytea NOT NULL,
    actor_id uuid,
    refunded_at timestamptz NOT NULL
);
CREATE INDEX order_refunds_order_id_idx ON order_refunds (order_id, id);
CREATE INDEX order_refunds_refunded_at_idx ON order_refunds (refunded_at);
REVOKE UPDATE, DELETE ON order_refunds FROM tenantry_tenant;

CREATE TABLE order_refund_lines (
    id uuid CONSTRAINT order_refund_lines_pkey PRIMARY KEY,
    refund_id uuid NOT NULL CONSTRAINT order_refund_lines_refund_id_fkey REFERENCES order_refunds (id),
    order_line_id uuid NOT NULL CONSTRAINT order_refund_lines_order_line_id_fkey REFERENCES order_lines (id),
    amount numeric(14, 4) NOT NULL CONSTRAINT order_refund_lines_amount_check CHECK (amount > 0),
    tax numeric(14, 4) NOT NULL,
    CONSTRAINT order_refund_lines_refund_id_order_line_id_key UNIQUE (refund_id, order_line_id)
);
CREATE INDEX order_refund_lines_order_line_id_idx ON order_refund_lines (order_line_id);
REVOKE UPDATE, DELETE ON order_refund_lines FROM tenantry_tenant;
