-- The device session of a session: the one at whose device it began with a PIN, or itself.
CREATE FUNCTION shared.device_session_of(from_session uuid, moment timestamptz) RETURNS uuid
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $function$
    SELECT coalesce(device_session_id, id) FROM shared.sessions
     WHERE id = from_session AND revoked_at IS NULL AND idle_expires_at > moment
$function$;
REVOKE ALL ON FUNCTION shared.device_session_of(uuid, timestamptz) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION shared.device_session_of(uuid, timestamptz) TO tenantry_shared;
