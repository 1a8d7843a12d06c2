-- How big each business was, a sample a day, so that its growth can be told.
CREATE TABLE shared.tenant_sizes (
    tenant_id uuid NOT NULL
        CONSTRAINT tenant_sizes_tenant_id_fkey REFERENCES shared.tenants (id) ON DELETE CASCADE,
    sampled_on date NOT NULL,
    size_bytes bigint NOT NULL,
    rows bigint NOT NULL,
    CONSTRAINT tenant_sizes_pkey PRIMARY KEY (tenant_id, sampled_on)
);

ALTER TABLE shared.tenant_sizes ENABLE ROW LEVEL SECURITY;
CREATE POLICY tenant_sizes_own ON shared.tenant_sizes TO tenantry_shared
    USING (tenant_id = nullif(current_setting('tenantry.tenant', true), '')::uuid);
CREATE POLICY tenant_sizes_platform ON shared.tenant_sizes TO tenantry_platform USING (true);
GRANT SELECT ON shared.tenant_sizes TO tenantry_shared, tenantry_platform;
