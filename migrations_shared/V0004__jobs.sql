-- Long and repeated work. One elected process runs it; see the crate tenancy, module jobs.
CREATE TABLE shared.jobs (
    id uuid CONSTRAINT jobs_pkey PRIMARY KEY,
    kind text NOT NULL,
    -- The business it is for; null when it is the platform's own.
    tenant_id uuid CONSTRAINT jobs_tenant_id_fkey REFERENCES shared.tenants (id) ON DELETE CASCADE,
    parameters jsonb NOT NULL,
    state text NOT NULL
        CONSTRAINT jobs_state_check CHECK (state IN ('queued', 'running', 'succeeded', 'failed', 'cancelled')),
    -- How far it is; total is null while that is not known.
    done bigint NOT NULL DEFAULT 0,
    total bigint,
    -- What it is at, or why it failed.
    message text,
    result jsonb,
    attempts integer NOT NULL DEFAULT 0,
    max_attempts integer NOT NULL CONSTRAINT jobs_max_attempts_check CHECK (max_attempts >= 1),
    -- Set for work that comes again: so long after it ended.
    period_s integer CONSTRAINT jobs_period_s_check CHECK (period_s >= 1),
    cancel_requested boolean NOT NULL DEFAULT false,
    run_at timestamptz NOT NULL,
    started_at timestamptz,
    finished_at timestamptz,
    requested_by text NOT NULL,
    created_at timestamptz NOT NULL
);
-- Repeated work has one row per kind.
CREATE UNIQUE INDEX jobs_repeated_idx ON shared.jobs (kind) WHERE period_s IS NOT NULL;
CREATE INDEX jobs_queue_idx ON shared.jobs (run_at) WHERE state = 'queued';
CREATE INDEX jobs_tenant_id_idx ON shared.jobs (tenant_id, id);

ALTER TABLE shared.jobs ENABLE ROW LEVEL SECURITY;
CREATE POLICY jobs_own ON shared.jobs TO tenantry_shared
    USING (tenant_id = nullif(current_setting('tenantry.tenant', true), '')::uuid);
CREATE POLICY jobs_platform ON shared.jobs TO tenantry_platform USING (true);
GRANT SELECT ON shared.jobs TO tenantry_shared, tenantry_platform;
