-- The numbers to which customers of a business pay by mobile money. A payment is matched to its business by the number, so
-- no two businesses have the same.
CREATE TABLE shared.till_numbers (
    number text CONSTRAINT till_numbers_pkey PRIMARY KEY,
    tenant_id uuid NOT NULL CONSTRAINT till_numbers_tenant_id_key UNIQUE
        CONSTRAINT till_numbers_tenant_id_fkey REFERENCES shared.tenants (id) ON DELETE CASCADE,
    set_at timestamptz NOT NULL
);
ALTER TABLE shared.till_numbers ENABLE ROW LEVEL SECURITY;
CREATE POLICY till_numbers_own ON shared.till_numbers TO tenantry_shared
    USING (tenant_id = nullif(current_setting('tenantry.tenant', true), '')::uuid);
CREATE POLICY till_numbers_platform ON shared.till_numbers FOR SELECT TO tenantry_platform USING (true);
GRANT SELECT, INSERT, UPDATE (number, set_at), DELETE ON shared.till_numbers TO tenantry_shared;
GRANT SELECT ON shared.till_numbers TO tenantry_platform;
