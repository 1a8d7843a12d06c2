-- Payments that the provider of mobile money reports to the installation. Each is stored here first, once, and then
-- delivered to the business that has its till number.
CREATE TABLE shared.received_payments (
    id uuid CONSTRAINT received_payments_pkey PRIMARY KEY,
    provider text NOT NULL,
    transaction_id text NOT NULL,
    till_number text NOT NULL,
    amount numeric(14, 4) NOT NULL,
    currency text NOT NULL,
    payer text,
    payer_name text,
    account text,
    -- The request of the business that the customer answered.
    request_id uuid,
    paid_at timestamptz NOT NULL,
    received_at timestamptz NOT NULL,
    -- Null: no business had the till number.
    tenant_id uuid CONSTRAINT received_payments_tenant_id_fkey REFERENCES shared.tenants (id) ON DELETE CASCADE,
    -- Null: the business has not got it yet.
    delivered_at timestamptz,
    -- The time at which it is delivered again if no server could.
    due_at timestamptz NOT NULL,
    -- Counts the restores of the business: a delivery into the schema of before does not count.
    epoch integer NOT NULL DEFAULT 0,
    CONSTRAINT received_payments_transaction_id_key UNIQUE (transaction_id, provider)
);
CREATE INDEX received_payments_tenant_id_idx ON shared.received_payments (tenant_id);
CREATE INDEX received_payments_undelivered_idx ON shared.received_payments (due_at, received_at DESC)
    WHERE delivered_at IS NULL AND tenant_id IS NOT NULL;
CREATE INDEX received_payments_unclaimed_idx ON shared.received_payments (id) WHERE tenant_id IS NULL;
ALTER TABLE shared.received_payments ENABLE ROW LEVEL SECURITY;
CREATE POLICY received_payments_own ON shared.received_payments TO tenantry_shared
    USING (tenant_id = nullif(current_setting('tenantry.tenant', true), '')::uuid);
CREATE POLICY received_payments_platform ON shared.received_payments FOR SELECT TO tenantry_platform USING (true);
GRANT SELECT, UPDATE (delivered_at) ON shared.received_payments TO tenantry_shared;
GRANT SELECT ON shared.received_payments TO tenantry_platform;

-- Stores a reported payment once, for the business that is named or that has the till number. A second report can add
-- the request, or the business. No row is returned if the first report was delivered and this one adds nothing.
CREATE FUNCTION shared.receive_payment(
    new_id uuid, its_provider text, its_transaction text, its_till text, its_amount numeric, its_currency text,
    its_payer text, its_name text, its_account text, its_request uuid, its_tenant uuid, its_time timestamptz,
    moment timestamptz)
RETURNS TABLE (id uuid, tenant_id uuid, amount numeric, epoch integer)
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $function$
    WITH stored AS (
        INSERT INTO shared.received_payments AS r (id, provider, transaction_id, till_number, amount, currency, payer,
                                                   payer_name, account, request_id, paid_at, received_at, due_at, tenant_id)
        VALUES (new_id, its_provider, its_transaction, its_till, its_amount, its_currency, its_payer, its_name,
                its_account, its_request, its_time, moment, moment + interval '2 seconds',
                coalesce(its_tenant, (SELECT t.tenant_id FROM shared.till_numbers t WHERE t.number = its_till)))
            ON CONFLICT (transaction_id, provider) DO UPDATE
           SET request_id = coalesce(r.request_id, EXCLUDED.request_id),
               tenant_id = coalesce(r.tenant_id, EXCLUDED.tenant_id),
               payer_name = coalesce(r.payer_name, EXCLUDED.payer_name),
               account = coalesce(r.account, EXCLUDED.account),
               delivered_at = CASE WHEN r.request_id IS NULL AND EXCLUDED.request_id IS NOT NULL
                                   THEN NULL ELSE r.delivered_at END,
               due_at = CASE WHEN r.request_id IS NULL AND EXCLUDED.request_id IS NOT NULL
                             THEN EXCLUDED.due_at ELSE r.due_at END
        RETURNING r.id, r.tenant_id, r.amount, r.delivered_at, r.epoch)
    SELECT s.id, s.tenant_id, s.amount, s.epoch FROM stored s WHERE s.delivered_at IS NULL
$function$;
REVOKE ALL ON FUNCTION shared.receive_payment(
    uuid, text, text, text, numeric, text, text, text, text, uuid, uuid, timestamptz, timestamptz) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION shared.receive_payment(
    uuid, text, text, text, numeric, text, text, text, text, uuid, uuid, timestamptz, timestamptz) TO tenantry_shared;

-- The requests to pay whose outcome the provider is asked for, if it does not report it.
CREATE TABLE shared.open_payment_requests (
    request_id uuid CONSTRAINT open_payment_requests_pkey PRIMARY KEY,
    tenant_id uuid NOT NULL
        CONSTRAINT open_payment_requests_tenant_id_fkey REFERENCES shared.tenants (id) ON DELETE CASCADE,
    due_at timestamptz NOT NULL,
    -- The last time at which the provider is asked.
    until timestamptz NOT NULL
);
CREATE INDEX open_payment_requests_due_at_idx ON shared.open_payment_requests (due_at);
CREATE INDEX open_payment_requests_tenant_id_idx ON shared.open_payment_requests (tenant_id);
ALTER TABLE shared.open_payment_requests ENABLE ROW LEVEL SECURITY;
CREATE POLICY open_payment_requests_own ON shared.open_payment_requests TO tenantry_shared
    USING (tenant_id = nullif(current_setting('tenantry.tenant', true), '')::uuid);
GRANT SELECT, INSERT, DELETE ON shared.open_payment_requests TO tenantry_shared;
CREATE TRIGGER open_payment_requests_prompt AFTER INSERT ON shared.open_payment_requests
    FOR EACH STATEMENT EXECUTE FUNCTION shared.prompt_job('payments.settle');
CREATE TRIGGER received_payments_prompt AFTER INSERT ON shared.received_payments
    FOR EACH STATEMENT EXECUTE FUNCTION shared.prompt_job('payments.settle');
CREATE TRIGGER received_payments_prompt_again AFTER UPDATE ON shared.received_payments
    FOR EACH ROW WHEN (NEW.delivered_at IS NULL AND (OLD.delivered_at IS NOT NULL OR OLD.tenant_id IS NULL))
    EXECUTE FUNCTION shared.prompt_job('payments.settle');

-- The permission to approve covers payments by mobile money.
ALTER FUNCTION shared.ensure_built_in_apps() RENAME TO ensure_seventh_built_in_apps;
CREATE FUNCTION shared.ensure_built_in_apps() RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $function$
BEGIN
    PERFORM shared.ensure_seventh_built_in_apps();
    UPDATE shared.permissions p SET description = new.description
      FROM (VALUES
            ('till.read', 'Read registers, shifts, sales and payments by mobile money'),
            ('till.approve', 'See what a till should hold, approve differences and sales, close shifts of others, set prices,'
                             ' refund and void sales, list vouchers, set terms of customers, assign payments by'
                             ' mobile money, and decide about held sales')
           ) AS new (key, description)
     WHERE p.app = 'pos' AND p.key = new.key;
END
$function$;
REVOKE ALL ON FUNCTION shared.ensure_built_in_apps() FROM PUBLIC;
SELECT shared.ensure_built_in_apps();
