-- Anybody can claim any custom domain, so a claim belongs to its business and keeps nobody else from claiming the
-- domain. Only a verified domain belongs to one business alone.
-- reason: a business has a handful of hosts, and only servers with the owner's login add one.
ALTER TABLE shared.domains DROP CONSTRAINT domains_pkey;
-- reason: a business has a handful of hosts.
ALTER TABLE shared.domains ADD CONSTRAINT domains_pkey PRIMARY KEY (host, tenant_id);
-- reason: a business has a handful of hosts.
CREATE UNIQUE INDEX domains_verified_idx ON shared.domains (host) WHERE verified_at IS NOT NULL;
ALTER TABLE shared.domains
    -- A claim that is not verified by then is removed. Null: verified, or claimed by an earlier release.
    ADD COLUMN expires_at timestamptz,
    -- Since when the TXT record of a verified domain has not been found. Null: it was found at the last check.
    ADD COLUMN missing_since timestamptz;

-- A former slug stays reserved after its business was dropped, so that nobody takes the address over.
ALTER TABLE shared.former_slugs DROP CONSTRAINT former_slugs_tenant_id_fkey;
