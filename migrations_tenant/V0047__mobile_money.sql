-- needs code: 47

-- Requests to pay that the provider of mobile money shows on telephones of customers.
CREATE TABLE payment_requests (
    id uuid CONSTRAINT payment_requests_pkey PRIMARY KEY,
    register_id uuid NOT NULL CONSTRAINT payment_requests_register_id_fkey REFERENCES registers (id),
    phone text NOT NULL,
    amount numeric(14, 4) NOT NULL CONSTRAINT payment_requests_amount_check CHECK (amount > 0),
    status text NOT NULL CONSTRAINT payment_requests_status_check
        CHECK (status IN ('pending', 'paid', 'declined', 'failed', 'expired')),
    -- The reason of the provider for another end than a payment.
    reason text,
    -- The id of the request at the provider; null until the provider has answered.
    provider_reference text,
    -- The request, to tell a repetition from another one with its id.
    request_hash bytea NOT NULL,
    requested_by uuid,
    requested_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    ended_at timestamptz,
    version integer NOT NULL DEFAULT 1,
    CONSTRAINT payment_requests_ended_check CHECK (ended_at IS NULL OR status <> 'pending')
);
-- A telephone shows one request of a business at a time.
CREATE UNIQUE INDEX payment_requests_phone_key ON payment_requests (phone) WHERE status = 'pending';
CREATE INDEX payment_requests_register_id_idx ON payment_requests (register_id, id);

-- The payments to the till number of the business, as the provider reports them. `used` is the sum of the uses that
-- were not released.
CREATE TABLE mobile_payments (
    id uuid CONSTRAINT mobile_payments_pkey PRIMARY KEY,
    provider text NOT NULL,
    transaction_id text NOT NULL,
    till_number text NOT NULL,
    amount numeric(14, 4) NOT NULL CONSTRAINT mobile_payments_amount_check CHECK (amount > 0),
    currency text NOT NULL,
    used numeric(14, 4) NOT NULL DEFAULT 0,
    -- The telephone and the name of the customer, and the text that the customer entered, as the provider reports them.
    payer text,
    payer_name text,
    account text,
    -- The request that the customer answered; null: the customer paid without a request.
    request_id uuid CONSTRAINT mobile_payments_request_id_fkey REFERENCES payment_requests (id),
    paid_at timestamptz NOT NULL,
    received_at timestamptz NOT NULL,
    -- A member decided that the payment belongs to no sale and no order.
    dismissed_by uuid,
    dismissed_at timestamptz,
    dismiss_reason text,
    version integer NOT NULL DEFAULT 1,
    CONSTRAINT mobile_payments_transaction_id_key UNIQUE (transaction_id, provider),
    CONSTRAINT mobile_payments_used_check CHECK (used BETWEEN 0 AND amount),
    CONSTRAINT mobile_payments_dismissed_check CHECK ((dismissed_at IS NULL) = (dismiss_reason IS NULL))
);
CREATE INDEX mobile_payments_open_idx ON mobile_payments (id) WHERE used < amount AND dismissed_at IS NULL;
CREATE INDEX mobile_payments_dismissed_idx ON mobile_payments (id) WHERE used < amount AND dismissed_at IS NOT NULL;
CREATE INDEX mobile_payments_request_id_idx ON mobile_payments (request_id) WHERE request_id IS NOT NULL;
REVOKE UPDATE, DELETE ON mobile_payments FROM tenantry_tenant;
GRANT UPDATE (used, request_id, dismissed_by, dismissed_at, dismiss_reason, version)
    ON mobile_payments TO tenantry_tenant;

-- The payments of sales and orders that received payments confirm.
CREATE TABLE mobile_payment_uses (
    id uuid CONSTRAINT mobile_payment_uses_pkey PRIMARY KEY,
    mobile_payment_id uuid NOT NULL
        CONSTRAINT mobile_payment_uses_mobile_payment_id_fkey REFERENCES mobile_payments (id),
    sale_payment_id uuid CONSTRAINT mobile_payment_uses_sale_payment_id_fkey REFERENCES sale_payments (id),
    order_payment_id uuid CONSTRAINT mobile_payment_uses_order_payment_id_fkey REFERENCES order_payments (id),
    amount numeric(14, 4) NOT NULL CONSTRAINT mobile_payment_uses_amount_check CHECK (amount > 0),
    -- Null: the provider's report fitted the payment.
    used_by uuid,
    used_at timestamptz NOT NULL,
    -- The sale was voided.
    released_at timestamptz,
    CONSTRAINT mobile_payment_uses_document_check CHECK (num_nonnulls(sale_payment_id, order_payment_id) = 1)
);
CREATE INDEX mobile_payment_uses_mobile_payment_id_idx ON mobile_payment_uses (mobile_payment_id);
CREATE UNIQUE INDEX mobile_payment_uses_sale_payment_id_key ON mobile_payment_uses (sale_payment_id)
    WHERE released_at IS NULL AND sale_payment_id IS NOT NULL;
CREATE UNIQUE INDEX mobile_payment_uses_order_payment_id_key ON mobile_payment_uses (order_payment_id)
    WHERE released_at IS NULL AND order_payment_id IS NOT NULL;
REVOKE UPDATE, DELETE ON mobile_payment_uses FROM tenantry_tenant;
GRANT UPDATE (released_at) ON mobile_payment_uses TO tenantry_tenant;

-- A payment that is reported late finds its sale by the number that the cashier entered.
-- reason: the tables have few rows before the first release.
CREATE INDEX sale_payments_reference_idx ON sale_payments (upper(reference))
    WHERE method = 'mobile_money' AND amount > 0;
-- The payments that nothing confirms are listed.
-- reason: the tables have few rows before the first release.
CREATE INDEX sale_payments_mobile_money_idx ON sale_payments (id) WHERE method = 'mobile_money' AND amount > 0;
-- The report of payments reads days.
-- reason: the tables have few rows before the first release.
CREATE INDEX order_payments_paid_at_idx ON order_payments (paid_at);
-- reason: the tables have few rows before the first release.
CREATE INDEX order_payments_reference_idx ON order_payments (upper(reference))
    WHERE method = 'mobile_money' AND amount > 0;

-- reason: the table has one row.
ALTER TABLE settings
    -- Whether a sale may record a payment by mobile money that the provider has not reported.
    ADD COLUMN mobile_money text NOT NULL DEFAULT 'recorded'
        CONSTRAINT settings_mobile_money_check CHECK (mobile_money IN ('recorded', 'confirmed'));
