-- What happened in businesses and is still to be told: live events, webhooks, mail. A business writes its own rows in the
-- transaction of the change, and reads none; who tells reads them in the order of commits, beyond the oldest open one.
CREATE TABLE shared.outbox (
    id uuid CONSTRAINT outbox_pkey PRIMARY KEY,
    -- Whose: the role that wrote it, which belongs to one schema.
    tenant_role name NOT NULL,
    tenant_id uuid NOT NULL,
    -- The writing transaction; a row is safe to read once nothing older is under way.
    transaction_id xid8 NOT NULL DEFAULT pg_current_xact_id(),
    topic text NOT NULL,
    payload jsonb NOT NULL,
    created_at timestamptz NOT NULL
);
CREATE INDEX outbox_transaction_id_idx ON shared.outbox (transaction_id, id);

ALTER TABLE shared.outbox ENABLE ROW LEVEL SECURITY;
CREATE POLICY outbox_own ON shared.outbox FOR INSERT TO tenantry_tenant WITH CHECK (tenant_role = current_user);
CREATE POLICY outbox_platform ON shared.outbox FOR SELECT TO tenantry_platform USING (true);
-- The one table of this schema that businesses reach, and only so.
GRANT USAGE ON SCHEMA shared TO tenantry_tenant;
GRANT INSERT ON shared.outbox TO tenantry_tenant;
GRANT SELECT ON shared.outbox TO tenantry_platform;
