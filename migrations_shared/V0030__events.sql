-- The events of businesses in the order in which clients learn of them. Transactions of businesses write into the outbox.
-- A relay moves the events here after the commit, and gives them their positions.
-- reason: only the job of earlier servers that prunes the outbox reads the index and the column.
DROP INDEX shared.outbox_transaction_id_idx;
-- reason: as above; earlier servers write the column by its default.
ALTER TABLE shared.outbox DROP COLUMN transaction_id;
-- reason: the outbox has at most the events of seven days.
ALTER TABLE shared.outbox
    -- The order of writing. A transaction that changes a document after another one, and waits for its lock, writes its
    -- event after the commit of the other one.
    ADD COLUMN sequence bigint GENERATED ALWAYS AS IDENTITY;
-- reason: the outbox has at most the events of seven days.
CREATE INDEX outbox_sequence_idx ON shared.outbox (sequence);

-- The last position of each business.
CREATE TABLE shared.event_positions (
    tenant_id uuid CONSTRAINT event_positions_pkey PRIMARY KEY
        CONSTRAINT event_positions_tenant_id_fkey REFERENCES shared.tenants (id) ON DELETE CASCADE,
    -- Positions of another epoch mean other events. A business without a row is in epoch 0.
    epoch integer NOT NULL DEFAULT 0,
    last_position bigint NOT NULL
);
CREATE TABLE shared.events (
    tenant_id uuid NOT NULL
        CONSTRAINT events_tenant_id_fkey REFERENCES shared.event_positions (tenant_id) ON DELETE CASCADE,
    -- Counts the events of the business from 1, without a gap.
    position bigint NOT NULL,
    -- The id of the event, which webhooks send, too.
    id uuid NOT NULL,
    topic text NOT NULL,
    version smallint NOT NULL,
    payload jsonb NOT NULL,
    -- The time of the transaction that wrote the event.
    created_at timestamptz NOT NULL,
    CONSTRAINT events_pkey PRIMARY KEY (tenant_id, position)
);
CREATE INDEX events_created_at_idx ON shared.events (created_at);

ALTER TABLE shared.event_positions ENABLE ROW LEVEL SECURITY;
ALTER TABLE shared.events ENABLE ROW LEVEL SECURITY;
CREATE POLICY event_positions_platform ON shared.event_positions FOR SELECT TO tenantry_platform USING (true);
CREATE POLICY events_platform ON shared.events FOR SELECT TO tenantry_platform USING (true);
CREATE POLICY event_positions_of_business ON shared.event_positions FOR SELECT TO tenantry_shared
    USING (tenant_id = nullif(current_setting('tenantry.tenant', true), '')::uuid);
CREATE POLICY events_of_business ON shared.events FOR SELECT TO tenantry_shared
    USING (tenant_id = nullif(current_setting('tenantry.tenant', true), '')::uuid);
GRANT SELECT ON shared.event_positions, shared.events TO tenantry_platform, tenantry_shared;

-- Moves events from the outbox to the events of their businesses, oldest first, and announces the businesses. One relay
-- works at a time: the lock is held until the commit, so that positions become visible in their order. Returns the
-- number of moved events.
CREATE FUNCTION shared.relay_events(lock_class integer, lock_key integer, at_most integer) RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $function$
DECLARE
    moved integer;
    told text;
BEGIN
    PERFORM pg_advisory_xact_lock(lock_class, lock_key);
    WITH taken AS (
        DELETE FROM shared.outbox
         WHERE sequence IN (SELECT sequence FROM shared.outbox ORDER BY sequence LIMIT at_most)
     RETURNING *
    ), counted AS (
        -- A business that was dropped has no subscribers.
        SELECT t.tenant_id, count(*) AS events
          FROM taken t JOIN shared.tenants b ON b.id = t.tenant_id
         GROUP BY t.tenant_id
    ), advanced AS (
        INSERT INTO shared.event_positions AS p (tenant_id, last_position)
        SELECT tenant_id, events FROM counted ORDER BY tenant_id
            ON CONFLICT (tenant_id) DO UPDATE SET last_position = p.last_position + EXCLUDED.last_position
     RETURNING p.tenant_id, p.last_position
    ), stored AS (
        INSERT INTO shared.events (tenant_id, position, id, topic, version, payload, created_at)
        SELECT t.tenant_id,
               a.last_position - c.events + row_number() OVER (PARTITION BY t.tenant_id ORDER BY t.sequence),
               t.id, t.topic, t.version, t.payload, t.created_at
          FROM taken t
          JOIN advanced a ON a.tenant_id = t.tenant_id
          JOIN counted c ON c.tenant_id = t.tenant_id
    )
    SELECT (SELECT count(*) FROM taken), (SELECT string_agg(tenant_id::text, ' ') FROM counted) INTO moved, told;
    IF told IS NOT NULL THEN
        -- An announcement has fewer than 8000 bytes.
        PERFORM pg_notify('tenantry_events', CASE WHEN length(told) < 7900 THEN told ELSE 'many' END);
    END IF;
    RETURN moved;
END
$function$;
REVOKE ALL ON FUNCTION shared.relay_events(integer, integer, integer) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION shared.relay_events(integer, integer, integer) TO tenantry_platform;
