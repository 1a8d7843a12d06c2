-- PINs, with which cashiers take turns at one till: each is good only together with a device at which a member of the
-- business has signed in.
CREATE TABLE shared.pins (
    membership_id uuid CONSTRAINT pins_pkey PRIMARY KEY
        CONSTRAINT pins_membership_id_fkey REFERENCES shared.memberships (id) ON DELETE CASCADE,
    user_id uuid NOT NULL CONSTRAINT pins_user_id_fkey REFERENCES shared.users (id) ON DELETE CASCADE,
    tenant_id uuid NOT NULL CONSTRAINT pins_tenant_id_fkey REFERENCES shared.tenants (id) ON DELETE CASCADE,
    hash text NOT NULL,
    -- Which key protects the hash.
    key text,
    updated_at timestamptz NOT NULL
);
CREATE INDEX pins_user_id_idx ON shared.pins (user_id);
CREATE INDEX pins_tenant_id_idx ON shared.pins (tenant_id);
ALTER TABLE shared.pins ENABLE ROW LEVEL SECURITY;
CREATE POLICY pins_own ON shared.pins TO tenantry_shared
    USING (user_id = nullif(current_setting('tenantry.user', true), '')::uuid);
CREATE POLICY pins_of_business ON shared.pins TO tenantry_shared
    USING (tenant_id = nullif(current_setting('tenantry.tenant', true), '')::uuid);
GRANT SELECT (membership_id, user_id, tenant_id, updated_at), DELETE ON shared.pins TO tenantry_shared;
GRANT INSERT ON shared.pins TO tenantry_shared;

-- The end of the session of a device ends those that began at it with a PIN.
CREATE FUNCTION shared.end_sessions_of_device() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $function$
BEGIN
    UPDATE shared.sessions SET revoked_at = clock_timestamp(), revoked_reason = 'device_session_ended'
     WHERE device_session_id = OLD.id AND revoked_at IS NULL;
    RETURN NULL;
END
$function$;
CREATE TRIGGER sessions_end_at_device AFTER UPDATE OF revoked_at ON shared.sessions
    FOR EACH ROW WHEN (OLD.revoked_at IS NULL AND NEW.revoked_at IS NOT NULL AND NEW.device IS NOT NULL)
    EXECUTE FUNCTION shared.end_sessions_of_device();

-- Another PIN, and none, end the sessions that began with the former one.
CREATE FUNCTION shared.end_sessions_of_pin() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $function$
BEGIN
    UPDATE shared.sessions SET revoked_at = clock_timestamp(), revoked_reason = 'pin_changed'
     WHERE membership_id = OLD.membership_id AND device_session_id IS NOT NULL AND revoked_at IS NULL;
    RETURN NULL;
END
$function$;
CREATE TRIGGER pins_end_sessions AFTER DELETE ON shared.pins
    FOR EACH ROW EXECUTE FUNCTION shared.end_sessions_of_pin();

-- Begins a sign-in with a PIN at the device of a session. One row: no_device if the session is not that of a device of
-- this business; wait, if it is more than 0, and nothing else is filled then; otherwise the member, if there is one with
-- a PIN.
CREATE FUNCTION shared.begin_pin_sign_in(
    device_session uuid, of_tenant uuid, of_user uuid, member_key bytea, device_key bytea, moment timestamptz)
RETURNS TABLE (no_device boolean, wait double precision, hash text, key text, membership_id uuid,
               membership_version integer, password_changed_at timestamptz, full_name text, email text, username text,
               roles text[], permissions text[], device text)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $function$
#variable_conflict use_column
DECLARE
    place record;
    waits double precision;
BEGIN
    SELECT s.device INTO place
      FROM shared.sessions s
      JOIN shared.memberships m ON m.id = s.membership_id AND m.app = 'pos' AND m.status = 'active'
      JOIN shared.users u ON u.id = s.user_id AND u.status = 'active'
     WHERE s.id = device_session AND s.tenant_id = of_tenant AND s.device IS NOT NULL AND s.client_id IS NULL
       AND s.staff_id IS NULL AND s.device_session_id IS NULL AND s.revoked_at IS NULL AND s.idle_expires_at > moment;
    IF NOT FOUND THEN
        RETURN QUERY SELECT true, 0::double precision, NULL::text, NULL::text, NULL::uuid, NULL::integer,
                            NULL::timestamptz, NULL::text, NULL::text, NULL::text, NULL::text[], NULL::text[],
                            NULL::text;
        RETURN;
    END IF;
    waits := greatest(shared.count_attempt(device_key, 30, moment, 3600, 86400),
                      shared.count_attempt(member_key, 5, moment, 3600, 86400));
    IF waits > 0 THEN
        RETURN QUERY SELECT false, waits, NULL::text, NULL::text, NULL::uuid, NULL::integer, NULL::timestamptz,
                            NULL::text, NULL::text, NULL::text, NULL::text[], NULL::text[], NULL::text;
        RETURN;
    END IF;
    RETURN QUERY
    SELECT false, 0::double precision, p.hash, p.key, m.id, m.version, u.password_changed_at, u.full_name, e.value,
           n.value, a.roles, a.permissions, place.device
      FROM (VALUES (1)) AS always (one)
      LEFT JOIN shared.memberships m
             ON m.user_id = of_user AND m.tenant_id = of_tenant AND m.app = 'pos' AND m.status = 'active'
      LEFT JOIN shared.users u ON u.id = m.user_id AND u.status = 'active'
      LEFT JOIN shared.pins p ON p.membership_id = m.id AND u.id IS NOT NULL
      LEFT JOIN shared.user_logins e ON e.user_id = u.id AND e.kind = 'email'
      LEFT JOIN shared.user_logins n ON n.user_id = u.id AND n.kind = 'username' AND n.tenant_id = of_tenant
      LEFT JOIN LATERAL shared.access_of(m.id) a ON m.id IS NOT NULL;
END
$function$;

-- Ties a session that was just started to the device, for at most twelve hours. Returns its end; null if the device is
-- not signed in any more.
CREATE FUNCTION shared.bind_to_device(new_session uuid, device_session uuid, moment timestamptz) RETURNS timestamptz
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $function$
DECLARE
    ends timestamptz;
BEGIN
    SELECT least(expires_at, moment + interval '12 hours') INTO ends FROM shared.sessions
     WHERE id = device_session AND revoked_at IS NULL FOR SHARE;
    IF NOT FOUND THEN
        RETURN NULL;
    END IF;
    -- Whoever was at the device before leaves it.
    UPDATE shared.sessions SET revoked_at = moment, revoked_reason = 'switched'
     WHERE device_session_id = device_session AND revoked_at IS NULL;
    UPDATE shared.sessions
       SET device_session_id = device_session, expires_at = ends, idle_expires_at = least(idle_expires_at, ends)
     WHERE id = new_session;
    UPDATE shared.refresh_tokens SET expires_at = least(expires_at, ends) WHERE session_id = new_session;
    RETURN ends;
END
$function$;
REVOKE ALL ON FUNCTION
    shared.begin_pin_sign_in(uuid, uuid, uuid, bytea, bytea, timestamptz),
    shared.bind_to_device(uuid, uuid, timestamptz) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION
    shared.begin_pin_sign_in(uuid, uuid, uuid, bytea, bytea, timestamptz),
    shared.bind_to_device(uuid, uuid, timestamptz) TO tenantry_shared;
