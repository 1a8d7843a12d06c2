-- The relay finds the events to be moved by their place in the table: a search of the index for each of them took longer
-- than all of its other work. Nothing else changes.
CREATE OR REPLACE FUNCTION shared.relay_events(lock_class integer, lock_key integer, at_most integer) RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $function$
DECLARE
    moved integer;
    told text;
BEGIN
    PERFORM pg_advisory_xact_lock(lock_class, lock_key);
    WITH taken AS (
        -- Only a relay changes or deletes rows of the outbox, so they keep their places until the lock is released.
        DELETE FROM shared.outbox
         WHERE ctid = ANY (ARRAY(SELECT ctid FROM shared.outbox ORDER BY sequence LIMIT at_most))
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
