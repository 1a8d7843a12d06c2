-- Identities at issuers elsewhere, such as Google, with which people sign in (OpenID Connect).
CREATE TABLE shared.external_identities (
    id uuid CONSTRAINT external_identities_pkey PRIMARY KEY,
    user_id uuid NOT NULL CONSTRAINT external_identities_user_id_fkey REFERENCES shared.users (id) ON DELETE CASCADE,
    -- The URL of the issuer, and its name for the person, which never changes.
    issuer text NOT NULL,
    subject text NOT NULL,
    -- The name of the issuer that people see, as it was when the identity was used last.
    issuer_label text NOT NULL,
    -- The email that the issuer stated last. For people to recognise the identity, and for nothing else.
    email text,
    linked_at timestamptz NOT NULL,
    last_used_at timestamptz,
    -- Kept, so that an email does not link it again.
    unlinked_at timestamptz,
    CONSTRAINT external_identities_subject_check CHECK (length(subject) BETWEEN 1 AND 255)
);
CREATE UNIQUE INDEX external_identities_subject_key ON shared.external_identities (issuer, subject)
    WHERE unlinked_at IS NULL;
CREATE INDEX external_identities_user_id_idx ON shared.external_identities (user_id);
ALTER TABLE shared.external_identities ENABLE ROW LEVEL SECURITY;
CREATE POLICY external_identities_own ON shared.external_identities TO tenantry_shared
    USING (user_id = nullif(current_setting('tenantry.user', true), '')::uuid);
CREATE POLICY external_identities_platform ON shared.external_identities FOR SELECT TO tenantry_platform USING (true);
GRANT SELECT, INSERT, UPDATE (issuer_label, email, last_used_at, unlinked_at) ON shared.external_identities TO tenantry_shared;
GRANT SELECT ON shared.external_identities TO tenantry_platform;

-- The ID tokens that were used, by their SHA-256, until they expire: each is good once.
CREATE TABLE shared.used_id_tokens (
    hash bytea CONSTRAINT used_id_tokens_pkey PRIMARY KEY,
    expires_at timestamptz NOT NULL
);
CREATE INDEX used_id_tokens_expires_at_idx ON shared.used_id_tokens (expires_at);
ALTER TABLE shared.used_id_tokens ENABLE ROW LEVEL SECURITY;

-- The identity with which the session began.
-- reason: the column is null in each row, so that nothing is checked.
ALTER TABLE shared.sessions ADD COLUMN external_identity_id uuid
    CONSTRAINT sessions_external_identity_id_fkey REFERENCES shared.external_identities (id) ON DELETE SET NULL;
-- reason: no session began with an identity yet.
CREATE INDEX sessions_external_identity_id_idx ON shared.sessions (external_identity_id)
    WHERE external_identity_id IS NOT NULL;
GRANT UPDATE (external_identity_id) ON shared.sessions TO tenantry_shared;

-- Uses an ID token up. False: it was used before.
CREATE FUNCTION shared.use_id_token(its_hash bytea, its_expires_at timestamptz) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $function$
BEGIN
    INSERT INTO shared.used_id_tokens (hash, expires_at) VALUES (its_hash, its_expires_at) ON CONFLICT DO NOTHING;
    RETURN FOUND;
END
$function$;

-- Begins a sign-in with the identity of an ID token that was verified. verified_email is null unless the issuer has
-- verified it and may link by email. An email links only an account whose user has confirmed the same email, that never
-- had an identity at the issuer, and that does not belong to the platform's staff. One row: wait, if it is more than 0,
-- and nothing else is filled then; otherwise the user, if there is one.
CREATE FUNCTION shared.begin_external_sign_in(
    its_issuer text, its_subject text, verified_email text, token_hash bytea, wanted_app text, wanted_tenant uuid,
    account_key bytea, network_key bytea, account_allowed integer, network_allowed integer, moment timestamptz)
RETURNS TABLE (wait double precision, is_used boolean, identity_id uuid, user_id uuid, full_name text, email text,
               username text, password_changed_at timestamptz, membership_id uuid, membership_version integer,
               roles text[], permissions text[])
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $function$
#variable_conflict use_column
DECLARE
    waits double precision;
    found_identity uuid;
    found_user uuid;
BEGIN
    -- Networks before accounts, as in begin_sign_in.
    waits := shared.count_attempt(network_key, network_allowed, moment);
    IF waits = 0 THEN
        waits := shared.count_attempt(account_key, account_allowed, moment);
    END IF;
    IF waits > 0 THEN
        RETURN QUERY SELECT waits, false, NULL::uuid, NULL::uuid, NULL::text, NULL::text, NULL::text,
                            NULL::timestamptz, NULL::uuid, NULL::integer, NULL::text[], NULL::text[];
        RETURN;
    END IF;
    SELECT i.id, i.user_id INTO found_identity, found_user FROM shared.external_identities i
     WHERE i.issuer = its_issuer AND i.subject = its_subject AND i.unlinked_at IS NULL;
    IF NOT FOUND AND verified_email IS NOT NULL THEN
        SELECT l.user_id INTO found_user FROM shared.user_logins l
         WHERE l.kind = 'email' AND l.value = verified_email AND l.verified_at IS NOT NULL
           AND NOT EXISTS (SELECT FROM shared.external_identities i
                            WHERE i.user_id = l.user_id AND i.issuer = its_issuer)
           AND NOT EXISTS (SELECT FROM shared.memberships m WHERE m.user_id = l.user_id AND m.app = 'platform');
    END IF;
    RETURN QUERY
    SELECT 0::double precision, EXISTS (SELECT FROM shared.used_id_tokens t WHERE t.hash = token_hash),
           found_identity, u.id, u.full_name, e.value, n.value, u.password_changed_at, m.id, m.version, a.roles,
           a.permissions
      FROM (VALUES (1)) AS always (one)
      LEFT JOIN shared.users u ON u.id = found_user AND u.status = 'active'
      LEFT JOIN shared.user_logins e ON e.user_id = u.id AND e.kind = 'email'
      LEFT JOIN shared.user_logins n ON n.user_id = u.id AND n.kind = 'username' AND n.tenant_id = wanted_tenant
      LEFT JOIN shared.memberships m
             ON m.user_id = u.id AND m.app = wanted_app AND m.status = 'active'
            AND m.tenant_id IS NOT DISTINCT FROM wanted_tenant
      LEFT JOIN LATERAL shared.access_of(m.id) a ON m.id IS NOT NULL;
END
$function$;

-- The end of an identity ends the sessions that began with it.
CREATE FUNCTION shared.end_sessions_of_external_identity() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $function$
BEGIN
    UPDATE shared.sessions SET revoked_at = clock_timestamp(), revoked_reason = 'identity_unlinked'
     WHERE id IN (SELECT s.id FROM shared.sessions s
                   WHERE s.external_identity_id = NEW.id AND s.revoked_at IS NULL
                   ORDER BY s.id FOR NO KEY UPDATE);
    RETURN NULL;
END
$function$;
CREATE TRIGGER external_identities_end_sessions AFTER UPDATE OF unlinked_at ON shared.external_identities
    FOR EACH ROW WHEN (OLD.unlinked_at IS NULL AND NEW.unlinked_at IS NOT NULL)
    EXECUTE FUNCTION shared.end_sessions_of_external_identity();

-- Nothing of a deleted account stays.
CREATE FUNCTION shared.forget_external_identities() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $function$
BEGIN
    DELETE FROM shared.external_identities WHERE user_id = NEW.id;
    RETURN NULL;
END
$function$;
CREATE TRIGGER users_forget_external_identities AFTER UPDATE OF status ON shared.users
    FOR EACH ROW WHEN (NEW.status = 'deleted') EXECUTE FUNCTION shared.forget_external_identities();

-- As before, with whether the session began with an identity elsewhere.
DROP FUNCTION shared.open_refresh_token(bytea);
CREATE FUNCTION shared.open_refresh_token(presented bytea)
RETURNS TABLE (token_id uuid, session_id uuid, user_id uuid, parent_id uuid, token_expires_at timestamptz,
               consumed_at timestamptz, superseded_at timestamptz, children bigint, used_children bigint,
               app text, tenant_id uuid, session_expires_at timestamptz, revoked_at timestamptz,
               is_active boolean, full_name text, email text, username text, membership_version integer,
               roles text[], permissions text[], session_created_at timestamptz, authenticated_at timestamptz,
               second_factor_at timestamptz, second_factor text, by_pin boolean, client_id text, is_public boolean,
               is_foreign boolean, scopes text[], tenant_status text, is_external boolean)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $function$
#variable_conflict use_column
DECLARE
    of_session uuid;
    of_user uuid;
BEGIN
    SELECT t.session_id, t.user_id INTO of_session, of_user FROM shared.refresh_tokens t WHERE t.hash = presented;
    IF NOT FOUND THEN
        RETURN;
    END IF;
    PERFORM FROM shared.sessions s WHERE s.id = of_session FOR NO KEY UPDATE;
    PERFORM set_config('tenantry.user', of_user::text, true);
    -- A statement of its own sees what was committed while this one waited for the lock.
    RETURN QUERY
    SELECT t.id, s.id, u.id, t.parent_id, t.expires_at, t.consumed_at, t.superseded_at, c.children, c.used_children,
           m.app, s.tenant_id, s.expires_at, s.revoked_at, u.status = 'active' AND m.status = 'active',
           u.full_name, e.value, n.value, m.version, a.roles, a.permissions, s.created_at,
           CASE WHEN s.by_link THEN s.authenticated_at ELSE coalesce(s.authenticated_at, s.created_at) END,
           s.second_factor_at,
           shared.second_factor_state(u.id, m.id, s.second_factor_at, s.by_link AND s.authenticated_at IS NULL),
           s.device_session_id IS NOT NULL,
           s.client_id, coalesce(p.is_public, false), coalesce(p.is_foreign, false), s.scopes, b.status,
           s.external_identity_id IS NOT NULL
      FROM shared.refresh_tokens t
      JOIN shared.sessions s ON s.id = t.session_id
      JOIN shared.users u ON u.id = s.user_id
      JOIN shared.memberships m ON m.id = s.membership_id
      LEFT JOIN shared.oauth_clients p ON p.id = s.client_id
      LEFT JOIN shared.tenants b ON b.id = s.tenant_id
      LEFT JOIN shared.user_logins e ON e.user_id = u.id AND e.kind = 'email'
      LEFT JOIN shared.user_logins n ON n.user_id = u.id AND n.kind = 'username' AND n.tenant_id = s.tenant_id
     CROSS JOIN LATERAL shared.access_of(m.id) a
     CROSS JOIN LATERAL (SELECT count(*) AS children, count(c.consumed_at) AS used_children
                           FROM shared.refresh_tokens c WHERE c.session_id = s.id AND c.parent_id = t.id) c
     WHERE t.hash = presented;
END
$function$;

REVOKE ALL ON FUNCTION
    shared.use_id_token(bytea, timestamptz),
    shared.begin_external_sign_in(text, text, text, bytea, text, uuid, bytea, bytea, integer, integer, timestamptz),
    shared.open_refresh_token(bytea) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION
    shared.use_id_token(bytea, timestamptz),
    shared.begin_external_sign_in(text, text, text, bytea, text, uuid, bytea, bytea, integer, integer, timestamptz),
    shared.open_refresh_token(bytea) TO tenantry_shared;
