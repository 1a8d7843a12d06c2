-- The keys that sign access tokens. Private keys are encrypted with a key that the database does not know.
CREATE TABLE shared.signing_keys (
    -- The key's `kid`: its thumbprint (RFC 7638).
    id text CONSTRAINT signing_keys_pkey PRIMARY KEY,
    algorithm text NOT NULL
        CONSTRAINT signing_keys_algorithm_check CHECK (algorithm IN ('EdDSA', 'ES256')),
    -- A key is published before it signs, and as long as tokens that it signed are valid.
    state text NOT NULL
        CONSTRAINT signing_keys_state_check CHECK (state IN ('next', 'active', 'retiring', 'revoked')),
    public_key jsonb NOT NULL,
    sealed_key bytea NOT NULL,
    -- The name of the secret with which it is encrypted.
    sealed_with text NOT NULL,
    created_at timestamptz NOT NULL,
    -- When the state changed last.
    changed_at timestamptz NOT NULL
);
CREATE UNIQUE INDEX signing_keys_active_idx ON shared.signing_keys ((true)) WHERE state = 'active';
CREATE UNIQUE INDEX signing_keys_next_idx ON shared.signing_keys ((true)) WHERE state = 'next';

CREATE FUNCTION shared.announce_keys() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $function$
BEGIN
    PERFORM pg_notify('tenantry_revocations', 'keys');
    RETURN NULL;
END
$function$;
CREATE TRIGGER signing_keys_announce AFTER INSERT OR UPDATE OR DELETE ON shared.signing_keys
    FOR EACH ROW EXECUTE FUNCTION shared.announce_keys();

ALTER TABLE shared.signing_keys ENABLE ROW LEVEL SECURITY;
CREATE POLICY signing_keys_read ON shared.signing_keys FOR SELECT TO tenantry_shared, tenantry_platform USING (true);
GRANT SELECT ON shared.signing_keys TO tenantry_shared;
GRANT SELECT (id, algorithm, state, public_key, sealed_with, created_at, changed_at) ON shared.signing_keys
   TO tenantry_platform;

-- The first server of an installation makes the first key. Whoever comes second finds it.
CREATE FUNCTION shared.ensure_signing_key(
    key_id text, key_algorithm text, key_public jsonb, key_sealed bytea, key_sealed_with text, moment timestamptz)
RETURNS void
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $function$
    INSERT INTO shared.signing_keys (id, algorithm, state, public_key, sealed_key, sealed_with, created_at, changed_at)
    SELECT key_id, key_algorithm, 'active', key_public, key_sealed, key_sealed_with, moment, moment
     WHERE NOT EXISTS (SELECT FROM shared.signing_keys WHERE state = 'active')
        ON CONFLICT DO NOTHING
$function$;

-- Whether the access tokens of a session, signed by a key, are valid, for a server that may have missed announcements.
CREATE FUNCTION shared.find_session(wanted uuid, used_key text)
RETURNS TABLE (is_live boolean, membership_version integer)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $function$
    SELECT s.revoked_at IS NULL AND m.status = 'active' AND u.status = 'active'
           AND EXISTS (SELECT FROM shared.signing_keys k WHERE k.id = used_key AND k.state <> 'revoked'),
           m.version
      FROM shared.sessions s
      JOIN shared.memberships m ON m.id = s.membership_id
      JOIN shared.users u ON u.id = s.user_id
     WHERE s.id = wanted
$function$;
REVOKE ALL ON FUNCTION
    shared.ensure_signing_key(text, text, jsonb, bytea, text, timestamptz), shared.find_session(uuid, text)
  FROM PUBLIC;
GRANT EXECUTE ON FUNCTION
    shared.ensure_signing_key(text, text, jsonb, bytea, text, timestamptz), shared.find_session(uuid, text)
    TO tenantry_shared;
