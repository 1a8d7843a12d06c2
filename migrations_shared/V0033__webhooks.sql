-- Webhooks: addresses of programs elsewhere that get the events of a business.
CREATE TABLE shared.webhook_endpoints (
    id uuid CONSTRAINT webhook_endpoints_pkey PRIMARY KEY,
    tenant_id uuid NOT NULL
        CONSTRAINT webhook_endpoints_tenant_id_fkey REFERENCES shared.tenants (id) ON DELETE CASCADE,
    url text NOT NULL,
    description text,
    -- Names such as order.placed, and groups such as order.*; none for all.
    topics text[] NOT NULL,
    status text NOT NULL CONSTRAINT webhook_endpoints_status_check CHECK (status IN ('active', 'paused', 'failed')),
    -- The encrypted secret, and the name of the key that encrypts it. The database does not know that key.
    sealed_secret bytea NOT NULL,
    sealed_with text NOT NULL,
    -- The secret before a rotation, which signs, too, until it expires.
    former_sealed_secret bytea,
    former_sealed_with text,
    former_expires_at timestamptz,
    created_at timestamptz NOT NULL,
    -- Counts changes by people, failures and restores, but not deliveries.
    version integer NOT NULL DEFAULT 1,
    -- The position of the last event that it got, or that was skipped or passed over.
    last_position bigint NOT NULL,
    -- The replay: the next and the last event, the time of the next attempt, and the failed attempts.
    replay_next bigint,
    replay_until bigint,
    replay_due_at timestamptz,
    replay_attempts integer NOT NULL DEFAULT 0,
    -- The attempts so far to deliver an event that was not taken, the time of the first one, and its position.
    attempts integer NOT NULL DEFAULT 0,
    failing_since timestamptz,
    failing_position bigint,
    -- Nothing is sent before this time.
    due_at timestamptz NOT NULL,
    -- The time of its last turn.
    served_at timestamptz NOT NULL,
    CONSTRAINT webhook_endpoints_url_key UNIQUE (tenant_id, url)
);
-- The log of deliveries: one row for each attempt. Rows stay when their endpoint is deleted, because there may be
-- millions; the job events.prune deletes them.
CREATE TABLE shared.webhook_deliveries (
    id uuid CONSTRAINT webhook_deliveries_pkey PRIMARY KEY,
    tenant_id uuid NOT NULL
        CONSTRAINT webhook_deliveries_tenant_id_fkey REFERENCES shared.tenants (id) ON DELETE CASCADE,
    endpoint_id uuid NOT NULL,
    event_id uuid NOT NULL,
    topic text NOT NULL,
    kind text NOT NULL CONSTRAINT webhook_deliveries_kind_check CHECK (kind IN ('event', 'replay', 'test')),
    attempt integer NOT NULL,
    started_at timestamptz NOT NULL,
    took_ms integer NOT NULL,
    outcome text NOT NULL CONSTRAINT webhook_deliveries_outcome_check
        CHECK (outcome IN ('delivered', 'refused', 'redirected', 'gone', 'timed_out', 'unreachable', 'local_address')),
    http_status smallint,
    response text
);
CREATE INDEX webhook_deliveries_endpoint_id_idx ON shared.webhook_deliveries (endpoint_id, id);
CREATE INDEX webhook_deliveries_tenant_id_idx ON shared.webhook_deliveries (tenant_id);
CREATE INDEX webhook_deliveries_started_at_idx ON shared.webhook_deliveries (started_at);

ALTER TABLE shared.webhook_endpoints ENABLE ROW LEVEL SECURITY;
ALTER TABLE shared.webhook_deliveries ENABLE ROW LEVEL SECURITY;
CREATE POLICY webhook_endpoints_own ON shared.webhook_endpoints TO tenantry_shared
    USING (tenant_id = nullif(current_setting('tenantry.tenant', true), '')::uuid);
CREATE POLICY webhook_deliveries_own ON shared.webhook_deliveries TO tenantry_shared
    USING (tenant_id = nullif(current_setting('tenantry.tenant', true), '')::uuid);
CREATE POLICY webhook_endpoints_platform ON shared.webhook_endpoints FOR SELECT TO tenantry_platform USING (true);
CREATE POLICY webhook_deliveries_platform ON shared.webhook_deliveries FOR SELECT TO tenantry_platform USING (true);
GRANT SELECT, INSERT, DELETE ON shared.webhook_endpoints TO tenantry_shared;
GRANT UPDATE (url, description, topics, status, sealed_secret, sealed_with, former_sealed_secret, former_sealed_with,
              former_expires_at, version, last_position, replay_next, replay_until, replay_due_at, replay_attempts,
              attempts, failing_since, failing_position, due_at)
   ON shared.webhook_endpoints TO tenantry_shared;
GRANT SELECT, INSERT ON shared.webhook_deliveries TO tenantry_shared;
GRANT SELECT ON shared.webhook_deliveries TO tenantry_platform;
GRANT SELECT (id, tenant_id, url, description, topics, status, former_expires_at, created_at, version, last_position,
              replay_next, replay_until, replay_due_at, replay_attempts, attempts, failing_since, failing_position, due_at,
              served_at) ON shared.webhook_endpoints TO tenantry_platform;

-- The sender looks at an endpoint when people change it, and when its business has new events.
CREATE TRIGGER webhook_endpoints_prompt_sender AFTER UPDATE OF version ON shared.webhook_endpoints
    FOR EACH ROW WHEN (OLD.version <> NEW.version AND NEW.status = 'active')
    EXECUTE FUNCTION shared.prompt_job('webhooks.send');
CREATE FUNCTION shared.prompt_webhooks() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $function$
BEGIN
    IF EXISTS (SELECT FROM changed c
                 JOIN shared.webhook_endpoints e ON e.tenant_id = c.tenant_id AND e.status = 'active') THEN
        PERFORM pg_notify('tenantry_jobs', 'webhooks.send');
    END IF;
    RETURN NULL;
END
$function$;
REVOKE ALL ON FUNCTION shared.prompt_webhooks() FROM PUBLIC;
CREATE TRIGGER event_positions_prompt_webhooks AFTER UPDATE ON shared.event_positions
    REFERENCING NEW TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION shared.prompt_webhooks();
CREATE TRIGGER event_positions_new_prompt_webhooks AFTER INSERT ON shared.event_positions
    REFERENCING NEW TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION shared.prompt_webhooks();

-- The permission to manage webhooks.
ALTER FUNCTION shared.ensure_built_in_apps() RENAME TO ensure_sixth_built_in_apps;
CREATE FUNCTION shared.ensure_built_in_apps() RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $function$
BEGIN
    PERFORM shared.ensure_sixth_built_in_apps();
    INSERT INTO shared.permissions (app, key, description) VALUES
        ('inventory', 'webhooks.manage', 'Make, change and delete webhooks, and read their deliveries')
        ON CONFLICT (app, key) DO UPDATE SET description = EXCLUDED.description;
    INSERT INTO shared.role_permissions (app, role, permission_app, permission) VALUES
        ('inventory', 'OWNER', 'inventory', 'webhooks.manage')
        ON CONFLICT (app, role_scope, role, permission) DO NOTHING;
END
$function$;
REVOKE ALL ON FUNCTION shared.ensure_built_in_apps() FROM PUBLIC;
SELECT shared.ensure_built_in_apps();
