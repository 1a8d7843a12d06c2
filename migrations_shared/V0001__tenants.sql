-- The registry of businesses and the hosts of their own. Names are qualified: no search_path is set here.
CREATE SEQUENCE shared.business_numbers AS bigint;

CREATE TABLE shared.tenants (
    id uuid CONSTRAINT tenants_pkey PRIMARY KEY,
    number bigint NOT NULL CONSTRAINT tenants_number_key UNIQUE,
    slug text NOT NULL CONSTRAINT tenants_slug_key UNIQUE
        CONSTRAINT tenants_slug_check CHECK (slug ~ '^[a-z][a-z0-9-]{1,38}[a-z0-9]$'),
    name text NOT NULL CONSTRAINT tenants_name_check CHECK (length(name) BETWEEN 1 AND 200),
    status text NOT NULL
        CONSTRAINT tenants_status_check CHECK (status IN ('active', 'suspended', 'archived', 'migrating', 'restoring')),
    schema_name text NOT NULL CONSTRAINT tenants_schema_name_key UNIQUE,
    role_name text NOT NULL CONSTRAINT tenants_role_name_key UNIQUE,
    -- The login that may become this role, and the database that holds the schema: one each for now.
    login text NOT NULL,
    database text NOT NULL DEFAULT 'main',
    schema_version integer NOT NULL,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL
);

-- Hosts of a business's own. `<slug>.<base domain>` needs no row: it follows from the slug.
CREATE TABLE shared.domains (
    host text CONSTRAINT domains_pkey PRIMARY KEY
        CONSTRAINT domains_host_check CHECK (host = lower(host) AND length(host) BETWEEN 1 AND 253),
    tenant_id uuid NOT NULL CONSTRAINT domains_tenant_id_fkey REFERENCES shared.tenants (id) ON DELETE CASCADE,
    verified_at timestamptz,
    created_at timestamptz NOT NULL
);
CREATE INDEX domains_tenant_id_idx ON shared.domains (tenant_id);

-- No setting, no rows. The platform's staff acts under a role of its own.
ALTER TABLE shared.tenants ENABLE ROW LEVEL SECURITY;
ALTER TABLE shared.domains ENABLE ROW LEVEL SECURITY;
CREATE POLICY tenants_own ON shared.tenants TO tenantry_shared
    USING (id = nullif(current_setting('tenantry.tenant', true), '')::uuid);
CREATE POLICY tenants_platform ON shared.tenants TO tenantry_platform USING (true);
CREATE POLICY domains_own ON shared.domains TO tenantry_shared
    USING (tenant_id = nullif(current_setting('tenantry.tenant', true), '')::uuid);
CREATE POLICY domains_platform ON shared.domains TO tenantry_platform USING (true);
GRANT SELECT ON shared.tenants, shared.domains TO tenantry_shared, tenantry_platform;

-- What has to be read before the tenant is known: one business by its host or its slug.
CREATE FUNCTION shared.find_tenant(wanted_host text, wanted_slug text)
RETURNS TABLE (id uuid, number bigint, slug text, name text, status text, schema_name text, role_name text,
               schema_version integer, created_at timestamptz)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $function$
    SELECT t.id, t.number, t.slug, t.name, t.status, t.schema_name, t.role_name, t.schema_version, t.created_at
      FROM shared.tenants t
     WHERE t.slug = wanted_slug
        OR t.id = (SELECT d.tenant_id FROM shared.domains d WHERE d.host = wanted_host AND d.verified_at IS NOT NULL)
$function$;
REVOKE ALL ON FUNCTION shared.find_tenant(text, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION shared.find_tenant(text, text) TO tenantry_shared;
