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
    -- Whether an email linked it, and not the person.
    by_email boolean NOT NULL,
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
GRANT SELECT, INSERT, UPDATE (issuer_label, email, linked_at, by_email, last_used_at, unlinked_at) ON shared.external_identities TO tenantry_shared;
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

-- The identity with which the sign-on began.
-- reason: the column is null in each row, so that nothing is checked.
ALTER TABLE shared.sign_ons ADD COLUMN external_identity_id uuid
    CONSTRAINT sign_ons_external_identity_id_fkey REFERENCES shared.external_identities (id) ON DELETE SET NULL;
-- reason: no sign-on began with an identity yet.
CREATE INDEX sign_ons_external_identity_id_idx ON shared.sign_ons (external_identity_id)
    WHERE external_identity_id IS NOT NULL;
GRANT UPDATE (external_identity_id, authenticated_at) ON shared.sign_ons TO tenantry_shared;

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
-- had an identity at the issuer. Such a link is of no use for the platform's staff. One row: wait, if it is more than 0,
-- and nothing else is filled then; otherwise the user, if there is one.
CREATE FUNCTION shared.begin_external_sign_in(
    its_issuer text, its_subject text, verified_email text, token_hash bytea, wanted_app text, wanted_tenant uuid,
    account_key bytea, network_key bytea, account_allowed integer, network_allowed integer, moment timestamptz)
RETURNS TABLE (wait double precision, is_used boolean, identity_id uuid, user_id uuid, full_name text, email text,
               username text, password_changed_at timestamptz, has_second_factor boolean, membership_id uuid,
               membership_version integer, sign_in_again_since timestamptz, roles text[], permissions text[])
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $function$
#variable_conflict use_column
DECLARE
    waits double precision;
    found_identity uuid;
    found_user uuid;
    by_email boolean := false;
BEGIN
    -- Networks before accounts, as in begin_sign_in.
    waits := shared.count_attempt(network_key, network_allowed, moment);
    IF waits = 0 THEN
        waits := shared.count_attempt(account_key, account_allowed, moment);
    END IF;
    IF waits > 0 THEN
        RETURN QUERY SELECT waits, false, NULL::uuid, NULL::uuid, NULL::text, NULL::text, NULL::text,
                            NULL::timestamptz, false, NULL::uuid, NULL::integer, NULL::timestamptz, NULL::text[],
                            NULL::text[];
        RETURN;
    END IF;
    SELECT i.id, i.user_id, i.by_email INTO found_identity, found_user, by_email FROM shared.external_identities i
     WHERE i.issuer = its_issuer AND i.subject = its_subject AND i.unlinked_at IS NULL;
    IF NOT FOUND AND verified_email IS NOT NULL THEN
        SELECT l.user_id, true INTO found_user, by_email FROM shared.user_logins l
         WHERE l.kind = 'email' AND l.value = verified_email AND l.verified_at IS NOT NULL
           AND NOT EXISTS (SELECT FROM shared.external_identities i
                            WHERE i.user_id = l.user_id AND i.issuer = its_issuer);
    END IF;
    IF by_email AND EXISTS (SELECT FROM shared.memberships m WHERE m.user_id = found_user AND m.app = 'platform') THEN
        found_user := NULL;
    END IF;
    RETURN QUERY
    SELECT 0::double precision, EXISTS (SELECT FROM shared.used_id_tokens t WHERE t.hash = token_hash),
           found_identity, u.id, u.full_name, e.value, n.value, u.password_changed_at,
           EXISTS (SELECT FROM shared.authenticators f WHERE f.user_id = u.id AND f.confirmed_at IS NOT NULL),
           m.id, m.version, m.sign_in_again_since, a.roles, a.permissions
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

-- The end of an identity ends the sign-ons and the sessions that began with it.
CREATE FUNCTION shared.end_sessions_of_external_identity() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $function$
BEGIN
    UPDATE shared.sign_ons SET revoked_at = clock_timestamp(), revoked_reason = 'identity_unlinked'
     WHERE id IN (SELECT o.id FROM shared.sign_ons o
                   WHERE o.external_identity_id = NEW.id AND o.revoked_at IS NULL
                   ORDER BY o.id FOR NO KEY UPDATE);
    UPDATE shared.sessions SET revoked_at = clock_timestamp(), revoked_reason = 'identity_unlinked'
     WHERE id IN (SELECT s.id FROM shared.sessions s
                   WHERE s.external_identity_id = NEW.id AND s.revoked_at IS NULL
                   ORDER BY s.id FOR NO KEY UPDATE);
    RETURN NULL;
END
$function$;
CREATE TRIGGER external_identities_end_sessions AFTER UPDATE OF unlinked_at ON shared.external_identities
    FOR EACH ROW WHEN (OLD.unlinked_at IS NULL AND NEW.unlinked_at IS NOT NULL
                       -- Whoever sets a password ends all sessions, and records each end.
                       AND pg_trigger_depth() = 0)
    EXECUTE FUNCTION shared.end_sessions_of_external_identity();

-- Somebody else set the password, or a mailed link did: the account is taken back from whoever had it. Nobody who linked
-- an identity stays in. A user who changes the password with the present one acts as themselves.
CREATE FUNCTION shared.unlink_external_identities() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $function$
BEGIN
    UPDATE shared.external_identities SET unlinked_at = clock_timestamp()
     WHERE user_id = NEW.id AND unlinked_at IS NULL;
    RETURN NULL;
END
$function$;
CREATE TRIGGER users_unlink_external_identities AFTER UPDATE OF password_changed_at ON shared.users
    FOR EACH ROW WHEN (OLD.password_changed_at IS DISTINCT FROM NEW.password_changed_at
                       AND NEW.id IS DISTINCT FROM nullif(current_setting('tenantry.user', true), '')::uuid)
    EXECUTE FUNCTION shared.unlink_external_identities();

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

-- As before. A password takes the place of an identity elsewhere.
CREATE OR REPLACE FUNCTION shared.start_sign_on(
    new_id uuid, of_user uuid, read_password_changed_at timestamptz, new_hash bytea, former_hash bytea,
    its_user_agent text, its_address inet, moment timestamptz, its_expires_at timestamptz, its_idle_expires_at timestamptz,
    its_second_factor_at timestamptz, its_asked_by text)
RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $function$
BEGIN
    PERFORM FROM shared.users
      WHERE id = of_user AND status = 'active' AND password_changed_at IS NOT DISTINCT FROM read_password_changed_at
        FOR SHARE;
    IF NOT FOUND THEN
        RETURN false;
    END IF;
    UPDATE shared.sign_ons
       SET hash = new_hash, user_agent = its_user_agent, address = its_address, authenticated_at = moment,
           second_factor_at = its_second_factor_at, asked_by = its_asked_by, expires_at = its_expires_at,
           idle_expires_at = its_idle_expires_at, external_identity_id = NULL
     WHERE hash = former_hash AND user_id = of_user AND revoked_at IS NULL AND idle_expires_at > moment;
    IF FOUND THEN
        RETURN true;
    END IF;
    UPDATE shared.sign_ons SET revoked_at = moment, revoked_reason = 'signed_out'
     WHERE hash = former_hash AND revoked_at IS NULL;
    INSERT INTO shared.sign_ons (id, user_id, hash, user_agent, address, created_at, authenticated_at, expires_at,
                                 idle_expires_at, second_factor_at, asked_by)
    VALUES (new_id, of_user, new_hash, its_user_agent, its_address, moment, moment, its_expires_at, its_idle_expires_at,
            its_second_factor_at, its_asked_by);
    -- A program that signs in again and again must not fill the table. The password alone ends no sign-on with a second
    -- factor.
    UPDATE shared.sign_ons SET revoked_at = moment, revoked_reason = 'too_many'
     WHERE id IN (SELECT id FROM shared.sign_ons
                   WHERE user_id = of_user AND revoked_at IS NULL AND idle_expires_at > moment
                     AND (second_factor_at IS NULL) = (its_second_factor_at IS NULL)
                   ORDER BY authenticated_at DESC, id DESC OFFSET 100);
    RETURN true;
END
$function$;

-- As before, for those who gave no password, too.
DROP FUNCTION shared.open_sign_on(bytea, timestamptz);
CREATE FUNCTION shared.open_sign_on(presented bytea, moment timestamptz)
RETURNS TABLE (id uuid, user_id uuid, full_name text, email text, authenticated_at timestamptz,
               expires_at timestamptz, idle_expires_at timestamptz, needs_second_factor boolean, asked_by text, is_external boolean)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $function$
#variable_conflict use_column
DECLARE
    of_user uuid;
BEGIN
    SELECT o.user_id INTO of_user FROM shared.sign_ons o WHERE o.hash = presented;
    IF NOT FOUND THEN
        RETURN;
    END IF;
    PERFORM set_config('tenantry.user', of_user::text, true);
    RETURN QUERY
    SELECT o.id, o.user_id, u.full_name, e.value, o.authenticated_at, o.expires_at, o.idle_expires_at,
           o.second_factor_at IS NULL
               AND EXISTS (SELECT FROM shared.authenticators a
                            WHERE a.user_id = u.id AND a.confirmed_at IS NOT NULL),
           o.asked_by, o.external_identity_id IS NOT NULL
      FROM shared.sign_ons o
      JOIN shared.users u ON u.id = o.user_id AND u.status = 'active'
      LEFT JOIN shared.user_logins e ON e.user_id = u.id AND e.kind = 'email'
     WHERE o.hash = presented AND o.revoked_at IS NULL AND o.idle_expires_at > moment
           -- Another password must be given again. An identity elsewhere has its own.
       AND (o.external_identity_id IS NOT NULL
            OR o.authenticated_at >= coalesce(u.password_changed_at, '-infinity'));
END
$function$;

-- As before, for those who gave no password, too.
DROP FUNCTION shared.open_authorization_code(bytea, text);
CREATE FUNCTION shared.open_authorization_code(presented bytea, wanted_client text)
RETURNS TABLE (redirect_uri text, challenge text, nonce text, scopes text[], expires_at timestamptz, session_id uuid,
               user_id uuid, authenticated_at timestamptz, second_factor_at timestamptz,
               second_factor text, is_live boolean, is_external boolean,
               app text, tenant_id uuid, full_name text, email text, username text, membership_version integer,
               roles text[], permissions text[])
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $function$
#variable_conflict use_column
DECLARE
    code record;
BEGIN
    SELECT c.* INTO code FROM shared.authorization_codes c
     WHERE c.hash = presented AND c.client_id = wanted_client;
    IF NOT FOUND THEN
        RETURN;
    END IF;
    -- Whatever ends the account, the sign-on or the membership waits until the new session exists. Locked in the order
    -- in which these end each other.
    PERFORM FROM shared.users u WHERE u.id = code.user_id FOR SHARE;
    PERFORM FROM shared.sign_ons o WHERE o.id = code.sign_on_id FOR SHARE;
    PERFORM FROM shared.memberships m WHERE m.id = code.membership_id FOR NO KEY UPDATE;
    SELECT c.* INTO code FROM shared.authorization_codes c WHERE c.hash = presented FOR UPDATE;
    IF NOT FOUND THEN
        RETURN;
    END IF;
    PERFORM set_config('tenantry.user', code.user_id::text, true);
    -- A statement of its own sees what was committed while this one waited for the locks.
    RETURN QUERY
    SELECT code.redirect_uri, code.challenge, code.nonce, code.scopes, code.expires_at, code.session_id, u.id,
           o.authenticated_at, o.second_factor_at, shared.second_factor_state(u.id, m.id, o.second_factor_at, false),
           o.revoked_at IS NULL AND u.status = 'active' AND m.status = 'active'
               AND o.authenticated_at >= greatest(
                       CASE WHEN o.external_identity_id IS NULL THEN u.password_changed_at END,
                       m.sign_in_again_since, '-infinity')
               AND (m.tenant_id IS NULL OR t.status = 'active')
               -- A link by email signs in nobody of the staff, also if they became staff since.
               AND NOT (m.app = 'platform'
                        AND EXISTS (SELECT FROM shared.external_identities i
                                     WHERE i.id = o.external_identity_id AND i.by_email))
               -- What the person has taken back since counts.
               AND (NOT p.is_foreign
                    OR EXISTS (SELECT FROM shared.consents s
                                WHERE s.membership_id = m.id AND s.client_id = p.id AND s.scopes @> code.scopes)),
           o.external_identity_id IS NOT NULL, m.app, m.tenant_id, u.full_name, e.value, n.value, m.version,
           a.roles, a.permissions
      FROM shared.memberships m
      JOIN shared.users u ON u.id = m.user_id
      JOIN shared.sign_ons o ON o.id = code.sign_on_id
      JOIN shared.oauth_clients p ON p.id = code.client_id
      LEFT JOIN shared.tenants t ON t.id = m.tenant_id
      LEFT JOIN shared.user_logins e ON e.user_id = u.id AND e.kind = 'email'
      LEFT JOIN shared.user_logins n ON n.user_id = u.id AND n.kind = 'username' AND n.tenant_id = m.tenant_id
     CROSS JOIN LATERAL shared.access_of(m.id) a
     WHERE m.id = code.membership_id;
END
$function$;

-- As before, with the identity of the sign-on.
CREATE OR REPLACE FUNCTION shared.use_authorization_code(
    presented bytea, new_session uuid, its_user_agent text, its_address inet, moment timestamptz,
    its_expires_at timestamptz, its_idle_expires_at timestamptz, first_token uuid, first_hash bytea)
RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $function$
DECLARE
    code record;
    business uuid;
BEGIN
    UPDATE shared.authorization_codes SET session_id = new_session WHERE hash = presented RETURNING * INTO code;
    UPDATE shared.memberships SET last_sign_in_at = moment WHERE id = code.membership_id
    RETURNING tenant_id INTO business;
    INSERT INTO shared.sessions (id, user_id, membership_id, tenant_id, user_agent, address, created_at, last_seen_at,
                                 expires_at, idle_expires_at, client_id, sign_on_id, scopes, authenticated_at,
                                 second_factor_at, external_identity_id)
    SELECT new_session, code.user_id, code.membership_id, business, its_user_agent, its_address, moment, moment,
           its_expires_at, its_idle_expires_at, code.client_id, code.sign_on_id, code.scopes, o.authenticated_at,
           o.second_factor_at, o.external_identity_id
      FROM shared.sign_ons o WHERE o.id = code.sign_on_id;
    INSERT INTO shared.refresh_tokens (id, session_id, user_id, hash, expires_at)
    VALUES (first_token, new_session, code.user_id, first_hash, its_idle_expires_at);
    -- A browser that signs in again and again, or a program that does, pushes out its own sessions alone.
    UPDATE shared.sessions SET revoked_at = moment, revoked_reason = 'too_many'
     WHERE id IN (SELECT id FROM shared.sessions
                   WHERE sign_on_id = code.sign_on_id AND client_id = code.client_id
                     AND membership_id = code.membership_id AND revoked_at IS NULL AND idle_expires_at > moment
                   ORDER BY last_seen_at DESC, id DESC OFFSET 10);
    UPDATE shared.sessions SET revoked_at = moment, revoked_reason = 'too_many'
     WHERE id IN (SELECT id FROM shared.sessions
                   WHERE membership_id = code.membership_id AND client_id = code.client_id
                     AND revoked_at IS NULL AND idle_expires_at > moment
                   ORDER BY last_seen_at DESC, id DESC OFFSET 100);
END
$function$;

REVOKE ALL ON FUNCTION
    shared.use_id_token(bytea, timestamptz),
    shared.begin_external_sign_in(text, text, text, bytea, text, uuid, bytea, bytea, integer, integer, timestamptz),
    shared.open_refresh_token(bytea), shared.open_authorization_code(bytea, text),
    shared.open_sign_on(bytea, timestamptz) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION
    shared.use_id_token(bytea, timestamptz),
    shared.begin_external_sign_in(text, text, text, bytea, text, uuid, bytea, bytea, integer, integer, timestamptz),
    shared.open_refresh_token(bytea), shared.open_authorization_code(bytea, text),
    shared.open_sign_on(bytea, timestamptz) TO tenantry_shared;
