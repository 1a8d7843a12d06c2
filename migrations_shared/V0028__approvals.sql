-- Begins an approval by PIN: as a sign-in by PIN at the device of a session. That session may itself have begun with a
-- PIN at the device.
CREATE FUNCTION shared.begin_approval(
    from_session uuid, of_tenant uuid, of_user uuid, member_key bytea, device_key bytea, moment timestamptz)
RETURNS TABLE (no_device boolean, wait double precision, hash text, key text, membership_id uuid,
               membership_version integer, password_changed_at timestamptz, full_name text, email text, username text,
               roles text[], permissions text[], device text)
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $function$
    SELECT * FROM shared.begin_pin_sign_in(
        coalesce((SELECT s.device_session_id FROM shared.sessions s
                   WHERE s.id = from_session AND s.revoked_at IS NULL AND s.idle_expires_at > moment), from_session),
        of_tenant, of_user, member_key, device_key, moment)
$function$;
REVOKE ALL ON FUNCTION shared.begin_approval(uuid, uuid, uuid, bytea, bytea, timestamptz) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION shared.begin_approval(uuid, uuid, uuid, bytea, bytea, timestamptz) TO tenantry_shared;
