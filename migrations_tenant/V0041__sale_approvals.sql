-- Approvals by PIN at the till of another member; append-only. An approval is good for one
-- receipt, and for some minutes.
CREATE TABLE sale_approvals (
    id uuid CONSTRAINT sale_approvals_pkey PRIMARY KEY,
    -- The receipt, which need not exist yet: the till has chosen its id.
    sale_id uuid NOT NULL,
    approves text NOT NULL CONSTRAINT sale_approvals_approves_check CHECK (approves IN ('discount', 'refund', 'void')),
    -- The largest discount, or the largest amount that is given back. Null for a void.
    amount numeric(14, 4) CONSTRAINT sale_approvals_amount_check CHECK (amount >= 0),
    approved_by uuid NOT NULL,
    -- The member at whose till it was approved.
    actor_id uuid NOT NULL,
    approved_at timestamptz NOT NULL
);
CREATE INDEX sale_approvals_sale_id_idx ON sale_approvals (sale_id);
REVOKE UPDATE, DELETE ON sale_approvals FROM tenantry_tenant;
