-- The backups that were taken: where they lie, and what is known of them. The files stand by themselves; a row may outlive
-- its business, so it refers to nothing.
CREATE TABLE shared.backups (
    id uuid CONSTRAINT backups_pkey PRIMARY KEY,
    -- Null for a backup of the shared schema.
    tenant_id uuid,
    slug text,
    file text NOT NULL CONSTRAINT backups_file_key UNIQUE,
    size_bytes bigint NOT NULL,
    sha256 text NOT NULL,
    schema_version integer NOT NULL,
    rows bigint NOT NULL,
    duration_ms bigint NOT NULL,
    taken_at timestamptz NOT NULL,
    -- When it was last restored into a scratch schema and compared, and what was wrong then.
    verified_at timestamptz,
    failure text,
    CONSTRAINT backups_slug_check CHECK ((tenant_id IS NULL) = (slug IS NULL))
);
CREATE INDEX backups_tenant_id_idx ON shared.backups (tenant_id, taken_at);

ALTER TABLE shared.backups ENABLE ROW LEVEL SECURITY;
CREATE POLICY backups_own ON shared.backups TO tenantry_shared
    USING (tenant_id = nullif(current_setting('tenantry.tenant', true), '')::uuid);
CREATE POLICY backups_platform ON shared.backups TO tenantry_platform USING (true);
GRANT SELECT ON shared.backups TO tenantry_shared, tenantry_platform;
