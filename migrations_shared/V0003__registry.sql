-- Schemas stand apart from the businesses that use them: some wait to be claimed by a new business, and a business that
-- was restored leaves its former one behind. The names of a schema and its role never change; which schema a business
-- uses does, when it is restored.
CREATE TABLE shared.schemas (
    number bigint CONSTRAINT schemas_pkey PRIMARY KEY,
    name text NOT NULL CONSTRAINT schemas_name_key UNIQUE,
    role_name text NOT NULL CONSTRAINT schemas_role_name_key UNIQUE,
    -- The login that may become this role, and the database that holds the schema: one each for now.
    login text NOT NULL,
    database text NOT NULL DEFAULT 'main',
    state text NOT NULL CONSTRAINT schemas_state_check CHECK (state IN ('spare', 'live', 'set_aside', 'probe')),
    version integer NOT NULL,
    -- Code whose own newest migration is older than this cannot serve the schema any more.
    needs_code integer NOT NULL DEFAULT 0,
    -- The last migration that was tried and did not succeed; null when there is none.
    failure text,
    failed_version integer,
    failed_at timestamptz,
    attempts integer NOT NULL DEFAULT 0,
    -- Whose schema it was before a restore; no foreign key, for businesses already refer to schemas.
    set_aside_from uuid,
    set_aside_at timestamptz,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    CONSTRAINT schemas_failure_check CHECK ((failure IS NULL) = (failed_at IS NULL)),
    CONSTRAINT schemas_set_aside_check CHECK ((state = 'set_aside') = (set_aside_from IS NOT NULL))
);
CREATE INDEX schemas_spare_idx ON shared.schemas (number) WHERE state = 'spare';
CREATE INDEX schemas_set_aside_from_idx ON shared.schemas (set_aside_from) WHERE state = 'set_aside';

INSERT INTO shared.schemas (number, name, role_name, login, database, state, version, created_at, updated_at)
SELECT number, schema_name, role_name, login, database, 'live', schema_version, created_at, updated_at
  FROM shared.tenants;

DROP FUNCTION shared.find_tenant(text, text);
-- reason: the rows moved to shared.schemas above, and no server serves from the old columns after this file.
ALTER TABLE shared.tenants
    DROP COLUMN schema_name,
    DROP COLUMN role_name,
    DROP COLUMN login,
    DROP COLUMN database,
    DROP COLUMN schema_version,
    -- What the business goes back to after maintenance.
    ADD COLUMN status_before text,
    ADD COLUMN archived_at timestamptz,
    -- What it was before it was archived, and is again when it is unarchived.
    ADD COLUMN archived_from text,
    -- Whether its other hosts answer themselves or send people to the primary one.
    ADD COLUMN redirects_to_primary boolean NOT NULL DEFAULT false,
    -- Null: the installation's own limits.
    ADD COLUMN statement_timeout_ms integer,
    ADD COLUMN max_transactions integer;
-- reason: the registry is small, and the file that fills shared.schemas is this one.
ALTER TABLE shared.tenants ADD CONSTRAINT tenants_number_fkey FOREIGN KEY (number) REFERENCES shared.schemas (number);
-- reason: the column is new and empty.
ALTER TABLE shared.tenants ADD CONSTRAINT tenants_statement_timeout_ms_check
    CHECK (statement_timeout_ms BETWEEN 100 AND 600000);
-- reason: the column is new and empty.
ALTER TABLE shared.tenants ADD CONSTRAINT tenants_max_transactions_check CHECK (max_transactions BETWEEN 1 AND 500);

-- A renamed business's former slugs: they send people on to the new address, and nobody else gets them for a while.
CREATE TABLE shared.former_slugs (
    slug text CONSTRAINT former_slugs_pkey PRIMARY KEY,
    tenant_id uuid NOT NULL
        CONSTRAINT former_slugs_tenant_id_fkey REFERENCES shared.tenants (id) ON DELETE CASCADE,
    reserved_until timestamptz NOT NULL
);
CREATE INDEX former_slugs_tenant_id_idx ON shared.former_slugs (tenant_id);

ALTER TABLE shared.domains
    ADD COLUMN is_primary boolean NOT NULL DEFAULT false,
    -- What the owner of the host's zone publishes to show that the host is his.
    ADD COLUMN challenge text NOT NULL DEFAULT '',
    ADD COLUMN checked_at timestamptz;
-- reason: a business has a handful of hosts.
CREATE UNIQUE INDEX domains_primary_idx ON shared.domains (tenant_id) WHERE is_primary;

-- What the platform's staff and commands did; kept for good.
CREATE TABLE shared.platform_audit (
    id uuid CONSTRAINT platform_audit_pkey PRIMARY KEY,
    occurred_at timestamptz NOT NULL,
    -- Who, as people know them: an email address, or a command and the account that ran it.
    actor text NOT NULL,
    -- The user, where there is one; no foreign key, for the entry outlives the user.
    actor_id uuid,
    action text NOT NULL,
    -- The business, where there is one; no foreign key, for the entry outlives the business.
    tenant_id uuid,
    tenant_slug text,
    details jsonb NOT NULL
);
CREATE INDEX platform_audit_tenant_id_idx ON shared.platform_audit (tenant_id, id);

CREATE FUNCTION shared.refuse_change() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $function$
BEGIN
    RAISE EXCEPTION '%.% is append-only', TG_TABLE_SCHEMA, TG_TABLE_NAME USING ERRCODE = 'insufficient_privilege';
END
$function$;
CREATE TRIGGER platform_audit_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON shared.platform_audit
    FOR EACH STATEMENT EXECUTE FUNCTION shared.refuse_change();

-- Servers keep businesses in memory; this tells them which one to read again. The payload is the business's id, or the
-- number of its schema.
CREATE FUNCTION shared.tell_registry() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $function$
BEGIN
    PERFORM pg_notify('tenantry_registry',
        CASE TG_OP WHEN 'DELETE' THEN to_jsonb(OLD) ELSE to_jsonb(NEW) END ->> TG_ARGV[0]);
    RETURN NULL;
END
$function$;
CREATE TRIGGER tenants_tell AFTER INSERT OR UPDATE OR DELETE ON shared.tenants
    FOR EACH ROW EXECUTE FUNCTION shared.tell_registry('id');
CREATE TRIGGER domains_tell AFTER INSERT OR UPDATE OR DELETE ON shared.domains
    FOR EACH ROW EXECUTE FUNCTION shared.tell_registry('tenant_id');
CREATE TRIGGER former_slugs_tell AFTER INSERT OR UPDATE OR DELETE ON shared.former_slugs
    FOR EACH ROW EXECUTE FUNCTION shared.tell_registry('tenant_id');
CREATE TRIGGER schemas_tell AFTER UPDATE OF version, needs_code ON shared.schemas
    FOR EACH ROW WHEN (NEW.state = 'live') EXECUTE FUNCTION shared.tell_registry('number');

ALTER TABLE shared.schemas ENABLE ROW LEVEL SECURITY;
ALTER TABLE shared.former_slugs ENABLE ROW LEVEL SECURITY;
ALTER TABLE shared.platform_audit ENABLE ROW LEVEL SECURITY;
-- Row level security of the registry applies inside the sub-select too.
CREATE POLICY schemas_own ON shared.schemas TO tenantry_shared USING (number IN (SELECT number FROM shared.tenants));
CREATE POLICY schemas_platform ON shared.schemas TO tenantry_platform USING (true);
CREATE POLICY former_slugs_own ON shared.former_slugs TO tenantry_shared
    USING (tenant_id = nullif(current_setting('tenantry.tenant', true), '')::uuid);
CREATE POLICY former_slugs_platform ON shared.former_slugs TO tenantry_platform USING (true);
CREATE POLICY platform_audit_platform ON shared.platform_audit TO tenantry_platform USING (true);
GRANT SELECT ON shared.schemas, shared.former_slugs TO tenantry_shared, tenantry_platform;
GRANT SELECT ON shared.platform_audit TO tenantry_platform;

-- What has to be read before the tenant is known: one business by its host, its slug or a former slug.
CREATE FUNCTION shared.find_tenant(wanted_host text, wanted_slug text)
RETURNS TABLE (id uuid, number bigint, slug text, name text, status text, schema_name text, role_name text,
               schema_version integer, needs_code integer, primary_host text, redirects_to_primary boolean,
               statement_timeout_ms integer, max_transactions integer, archived_at timestamptz,
               created_at timestamptz)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $function$
    SELECT t.id, t.number, t.slug, t.name, t.status, s.name, s.role_name, s.version, s.needs_code,
           (SELECT d.host FROM shared.domains d
             WHERE d.tenant_id = t.id AND d.is_primary AND d.verified_at IS NOT NULL),
           t.redirects_to_primary, t.statement_timeout_ms, t.max_transactions, t.archived_at, t.created_at
      FROM shared.tenants t
      JOIN shared.schemas s ON s.number = t.number
     WHERE t.slug = wanted_slug
        OR t.id = (SELECT f.tenant_id FROM shared.former_slugs f
                    WHERE f.slug = wanted_slug AND f.reserved_until > now())
        OR t.id = (SELECT d.tenant_id FROM shared.domains d WHERE d.host = wanted_host AND d.verified_at IS NOT NULL)
     -- A slug in use goes before the same slug in somebody's past.
     ORDER BY t.slug = wanted_slug DESC NULLS LAST
     LIMIT 1
$function$;
REVOKE ALL ON FUNCTION shared.find_tenant(text, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION shared.find_tenant(text, text) TO tenantry_shared;
