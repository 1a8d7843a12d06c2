-- needs code: 49

-- The number that a till printed on a receipt while it had no connection; null for other receipts.
ALTER TABLE sales ADD COLUMN offline_reference text;

-- The sales that tills made without a connection, and sent later. One that cannot be completed waits for a member, if
-- the business allows it.
CREATE TABLE offline_sales (
    -- The id of the receipt.
    id uuid CONSTRAINT offline_sales_pkey PRIMARY KEY,
    register_id uuid NOT NULL CONSTRAINT offline_sales_register_id_fkey REFERENCES registers (id),
    reference text NOT NULL,
    sold_at timestamptz NOT NULL,
    received_at timestamptz NOT NULL,
    status text NOT NULL CONSTRAINT offline_sales_status_check CHECK (status IN ('completed', 'held', 'discarded')),
    -- The reason why it was held.
    problem_code text,
    problem_detail text,
    -- The request of the till, to complete the sale later.
    request jsonb NOT NULL,
    request_hash bytea NOT NULL,
    sent_by uuid,
    resolved_by uuid,
    resolved_at timestamptz,
    discard_reason text,
    version integer NOT NULL DEFAULT 1
);
-- A till may send a discarded sale again, corrected, with the same number.
CREATE UNIQUE INDEX offline_sales_reference_key ON offline_sales (register_id, reference) WHERE status <> 'discarded';
CREATE INDEX offline_sales_held_idx ON offline_sales (id) WHERE status = 'held';
CREATE INDEX offline_sales_discarded_idx ON offline_sales (id) WHERE status = 'discarded';
REVOKE UPDATE, DELETE ON offline_sales FROM tenantry_tenant;
GRANT UPDATE (status, problem_code, problem_detail, resolved_by, resolved_at, discard_reason, version)
    ON offline_sales TO tenantry_tenant;
