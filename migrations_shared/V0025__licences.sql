-- The plans that the operator of the platform sells to businesses.
CREATE TABLE shared.plans (
    key text CONSTRAINT plans_pkey PRIMARY KEY
        CONSTRAINT plans_key_check CHECK (key ~ '^[a-z][a-z0-9-]{0,31}$'),
    name text NOT NULL,
    -- The days of one term; null: a licence has no end.
    term_days integer CONSTRAINT plans_term_days_check CHECK (term_days BETWEEN 1 AND 3660),
    -- The days after the end of a licence on which a business may still sell.
    grace_days integer NOT NULL DEFAULT 0 CONSTRAINT plans_grace_days_check CHECK (grace_days BETWEEN 0 AND 366),
    -- Null: no limit.
    max_members integer CONSTRAINT plans_max_members_check CHECK (max_members > 0),
    max_locations integer CONSTRAINT plans_max_locations_check CHECK (max_locations > 0),
    max_products integer CONSTRAINT plans_max_products_check CHECK (max_products > 0),
    max_registers integer CONSTRAINT plans_max_registers_check CHECK (max_registers > 0),
    -- The plan that a new business gets.
    is_default boolean NOT NULL DEFAULT false,
    updated_at timestamptz NOT NULL DEFAULT now()
);
CREATE UNIQUE INDEX plans_default_idx ON shared.plans (is_default) WHERE is_default;
GRANT SELECT ON shared.plans TO tenantry_shared, tenantry_platform;
INSERT INTO shared.plans (key, name, is_default) VALUES ('unlimited', 'Unlimited', true);

-- The licence of a business. A business of before has no end and no limits.
-- reason: PostgreSQL evaluates now() once, and writes no row.
ALTER TABLE shared.tenants
    ADD COLUMN plan text NOT NULL DEFAULT 'unlimited',
    -- False: it was not granted yet, or it was revoked.
    ADD COLUMN is_licensed boolean NOT NULL DEFAULT true,
    -- The moment of the last grant or renewal.
    ADD COLUMN licensed_at timestamptz NOT NULL DEFAULT now(),
    -- Null: no end.
    ADD COLUMN licensed_until timestamptz,
    -- The days before the end of which the last warning warned; null: none yet.
    ADD COLUMN licence_warned_days integer;
-- reason: a platform has few businesses beside the rows of their schemas.
-- Deferrable for a restore: a backup of before has businesses, and no plans.
ALTER TABLE shared.tenants ADD CONSTRAINT tenants_plan_fkey FOREIGN KEY (plan) REFERENCES shared.plans (key)
    DEFERRABLE INITIALLY IMMEDIATE;
-- reason: as above. The job of the warnings reads it once an hour.
CREATE INDEX tenants_licensed_until_idx ON shared.tenants (licensed_until) WHERE is_licensed;

-- A plan concerns many businesses. '*' makes servers read all of them again.
CREATE FUNCTION shared.tell_plans() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $function$
BEGIN
    PERFORM pg_notify('tenantry_registry', '*');
    RETURN NULL;
END
$function$;
CREATE TRIGGER plans_tell AFTER UPDATE ON shared.plans
    FOR EACH ROW WHEN (OLD.* IS DISTINCT FROM NEW.*) EXECUTE FUNCTION shared.tell_plans();

DROP FUNCTION shared.find_tenant(text, text);
CREATE FUNCTION shared.find_tenant(wanted_host text, wanted_slug text)
RETURNS TABLE (id uuid, number bigint, slug text, name text, status text, schema_name text, role_name text,
               schema_version integer, needs_code integer, primary_host text, redirects_to_primary boolean,
               statement_timeout_ms integer, max_transactions integer, archived_at timestamptz,
               created_at timestamptz, plan text, plan_name text, is_licensed boolean,
               licensed_until timestamptz, grace_days integer, max_members integer, max_locations integer,
               max_products integer, max_registers integer)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $function$
    SELECT t.id, t.number, t.slug, t.name, t.status, s.name, s.role_name, s.version, s.needs_code,
           (SELECT d.host FROM shared.domains d
             WHERE d.tenant_id = t.id AND d.is_primary AND d.verified_at IS NOT NULL),
           t.redirects_to_primary, t.statement_timeout_ms, t.max_transactions, t.archived_at, t.created_at,
           t.plan, p.name, t.is_licensed, t.licensed_until, p.grace_days, p.max_members, p.max_locations,
           p.max_products, p.max_registers
      FROM shared.tenants t
      JOIN shared.schemas s ON s.number = t.number
      JOIN shared.plans p ON p.key = t.plan
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
