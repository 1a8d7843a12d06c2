-- Single sign-on: a person signs in once, with one browser, and opens every app (OpenID Connect).
ALTER TABLE shared.oauth_clients
    -- Whether the program can keep no secret, such as one that runs in a browser.
    ADD COLUMN is_public boolean NOT NULL DEFAULT false,
    -- Whether the program is somebody else's, so that people are asked before it learns who they are.
    ADD COLUMN is_foreign boolean NOT NULL DEFAULT false,
    -- Where people go with a code after they have signed in. Without any, the program signs nobody in.
    ADD COLUMN redirect_uris text[] NOT NULL DEFAULT '{}',
    -- Where people may go after they have signed out.
    ADD COLUMN post_logout_redirect_uris text[] NOT NULL DEFAULT '{}',
    -- Where the program is told that a session has ended.
    ADD COLUMN backchannel_logout_uri text,
    ALTER COLUMN prefix DROP NOT NULL,
    ALTER COLUMN hash DROP NOT NULL;
-- reason: the table has a row for each program, and each row has a secret.
ALTER TABLE shared.oauth_clients ADD CONSTRAINT oauth_clients_secret_check
    CHECK (is_public = (hash IS NULL) AND is_public = (prefix IS NULL) AND (NOT is_public OR previous_hash IS NULL));
-- Tokens of an app's own sign-in have its short name as the client id.
-- reason: no program signs people in yet.
ALTER TABLE shared.oauth_clients ADD CONSTRAINT oauth_clients_id_app_check CHECK (id <> app OR redirect_uris = '{}');
GRANT SELECT (is_public, is_foreign, redirect_uris, post_logout_redirect_uris, backchannel_logout_uri)
   ON shared.oauth_clients TO tenantry_shared;
-- Where the pages of programs without a secret come from, which call the provider from a browser.
CREATE FUNCTION shared.has_page_at(origin text) RETURNS boolean
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $function$
    SELECT EXISTS (SELECT FROM shared.oauth_clients c, unnest(c.redirect_uris) AS address
                    WHERE c.is_public AND (address = origin OR starts_with(address, origin || '/')))
$function$;
REVOKE ALL ON FUNCTION shared.has_page_at(text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION shared.has_page_at(text) TO tenantry_shared;

-- Sign-ons: a person who signed in with one browser, for all apps. The browser has the secret in a cookie.
CREATE TABLE shared.sign_ons (
    id uuid CONSTRAINT sign_ons_pkey PRIMARY KEY,
    user_id uuid NOT NULL CONSTRAINT sign_ons_user_id_fkey REFERENCES shared.users (id) ON DELETE CASCADE,
    hash bytea NOT NULL CONSTRAINT sign_ons_hash_key UNIQUE,
    user_agent text,
    address inet,
    created_at timestamptz NOT NULL,
    -- When the person gave the password last.
    authenticated_at timestamptz NOT NULL,
    -- When the person gave the second factor after that.
    second_factor_at timestamptz,
    -- The program whose page asked for the password.
    asked_by text,
    -- Extended by the password alone.
    expires_at timestamptz NOT NULL,
    -- Extended by each use.
    idle_expires_at timestamptz NOT NULL,
    revoked_at timestamptz,
    revoked_reason text,
    CONSTRAINT sign_ons_idle_expires_at_check CHECK (idle_expires_at <= expires_at),
    CONSTRAINT sign_ons_revoked_check CHECK ((revoked_at IS NULL) = (revoked_reason IS NULL))
);
CREATE INDEX sign_ons_user_id_idx ON shared.sign_ons (user_id);
CREATE INDEX sign_ons_idle_expires_at_idx ON shared.sign_ons (idle_expires_at);

-- When the business ended the sessions of the member: who signed in before must give the password again.
ALTER TABLE shared.memberships ADD COLUMN sign_in_again_since timestamptz;
GRANT UPDATE (sign_in_again_since) ON shared.memberships TO tenantry_shared;

-- The sessions that a program got.
-- reason: the column is null in each row, so that nothing is checked.
ALTER TABLE shared.sessions ADD COLUMN client_id text
    CONSTRAINT sessions_client_id_fkey REFERENCES shared.oauth_clients (id) ON DELETE CASCADE;
-- reason: the column is null in each row, so that nothing is checked.
ALTER TABLE shared.sessions ADD COLUMN sign_on_id uuid
    CONSTRAINT sessions_sign_on_id_fkey REFERENCES shared.sign_ons (id) ON DELETE SET NULL;
ALTER TABLE shared.sessions
    -- What the program may learn and do. Null: everything that the user may.
    ADD COLUMN scopes text[];
-- reason: few sessions are those of programs.
CREATE INDEX sessions_client_id_idx ON shared.sessions (client_id) WHERE client_id IS NOT NULL;
-- reason: few sessions are those of programs.
CREATE INDEX sessions_sign_on_id_idx ON shared.sessions (sign_on_id) WHERE sign_on_id IS NOT NULL;

-- Codes, which programs exchange for tokens within a minute, once. They are kept for a day, so that a second use is
-- noticed.
CREATE TABLE shared.authorization_codes (
    hash bytea CONSTRAINT authorization_codes_pkey PRIMARY KEY,
    client_id text NOT NULL
        CONSTRAINT authorization_codes_client_id_fkey REFERENCES shared.oauth_clients (id) ON DELETE CASCADE,
    user_id uuid NOT NULL CONSTRAINT authorization_codes_user_id_fkey REFERENCES shared.users (id) ON DELETE CASCADE,
    membership_id uuid NOT NULL
        CONSTRAINT authorization_codes_membership_id_fkey REFERENCES shared.memberships (id) ON DELETE CASCADE,
    sign_on_id uuid NOT NULL
        CONSTRAINT authorization_codes_sign_on_id_fkey REFERENCES shared.sign_ons (id) ON DELETE CASCADE,
    redirect_uri text NOT NULL,
    scopes text[] NOT NULL,
    nonce text,
    -- SHA-256 of the verifier, in base64 (RFC 7636).
    challenge text NOT NULL,
    expires_at timestamptz NOT NULL,
    -- The session that the code became. Null: the code was not used.
    session_id uuid
);
CREATE INDEX authorization_codes_client_id_idx ON shared.authorization_codes (client_id);
CREATE INDEX authorization_codes_user_id_idx ON shared.authorization_codes (user_id);
CREATE INDEX authorization_codes_membership_id_idx ON shared.authorization_codes (membership_id);
CREATE INDEX authorization_codes_sign_on_id_idx ON shared.authorization_codes (sign_on_id);
CREATE INDEX authorization_codes_expires_at_idx ON shared.authorization_codes (expires_at);

-- The consents of people to programs that are somebody else's.
CREATE TABLE shared.consents (
    membership_id uuid NOT NULL
        CONSTRAINT consents_membership_id_fkey REFERENCES shared.memberships (id) ON DELETE CASCADE,
    client_id text NOT NULL CONSTRAINT consents_client_id_fkey REFERENCES shared.oauth_clients (id) ON DELETE CASCADE,
    user_id uuid NOT NULL CONSTRAINT consents_user_id_fkey REFERENCES shared.users (id) ON DELETE CASCADE,
    scopes text[] NOT NULL,
    given_at timestamptz NOT NULL,
    CONSTRAINT consents_pkey PRIMARY KEY (membership_id, client_id)
);
CREATE INDEX consents_client_id_idx ON shared.consents (client_id);
CREATE INDEX consents_user_id_idx ON shared.consents (user_id);

-- Programs that are to be told that a session has ended.
CREATE TABLE shared.logout_notices (
    id uuid CONSTRAINT logout_notices_pkey PRIMARY KEY,
    client_id text NOT NULL
        CONSTRAINT logout_notices_client_id_fkey REFERENCES shared.oauth_clients (id) ON DELETE CASCADE,
    session_id uuid NOT NULL,
    user_id uuid NOT NULL,
    attempts integer NOT NULL DEFAULT 0,
    due_at timestamptz NOT NULL,
    created_at timestamptz NOT NULL
);
CREATE INDEX logout_notices_client_id_idx ON shared.logout_notices (client_id);
CREATE INDEX logout_notices_due_at_idx ON shared.logout_notices (due_at);

ALTER TABLE shared.sign_ons ENABLE ROW LEVEL SECURITY;
ALTER TABLE shared.authorization_codes ENABLE ROW LEVEL SECURITY;
ALTER TABLE shared.consents ENABLE ROW LEVEL SECURITY;
ALTER TABLE shared.logout_notices ENABLE ROW LEVEL SECURITY;
CREATE POLICY sign_ons_own ON shared.sign_ons TO tenantry_shared
    USING (user_id = nullif(current_setting('tenantry.user', true), '')::uuid);
CREATE POLICY authorization_codes_own ON shared.authorization_codes TO tenantry_shared
    USING (user_id = nullif(current_setting('tenantry.user', true), '')::uuid);
CREATE POLICY consents_own ON shared.consents TO tenantry_shared
    USING (user_id = nullif(current_setting('tenantry.user', true), '')::uuid);
GRANT SELECT, UPDATE (idle_expires_at, second_factor_at, revoked_at, revoked_reason) ON shared.sign_ons
   TO tenantry_shared;
GRANT SELECT, INSERT, DELETE ON shared.authorization_codes TO tenantry_shared;
GRANT SELECT, INSERT, UPDATE (scopes, given_at), DELETE ON shared.consents TO tenantry_shared;

-- The end of a sign-on ends the sessions that began with it.
CREATE FUNCTION shared.end_sessions_of_sign_on() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $function$
BEGIN
    UPDATE shared.sessions SET revoked_at = clock_timestamp(), revoked_reason = NEW.revoked_reason
     WHERE sign_on_id = NEW.id AND revoked_at IS NULL;
    RETURN NULL;
END
$function$;
CREATE TRIGGER sign_ons_end_sessions AFTER UPDATE OF revoked_at ON shared.sign_ons
    FOR EACH ROW WHEN (OLD.revoked_at IS NULL AND NEW.revoked_at IS NOT NULL)
    EXECUTE FUNCTION shared.end_sessions_of_sign_on();
CREATE FUNCTION shared.keep_sign_on_revoked() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $function$
BEGIN
    RAISE EXCEPTION 'a sign-on that was revoked stays revoked'
          USING ERRCODE = 'check_violation', CONSTRAINT = 'sign_ons_stay_revoked';
END
$function$;
CREATE TRIGGER sign_ons_stay_revoked BEFORE UPDATE OF revoked_at ON shared.sign_ons
    FOR EACH ROW WHEN (OLD.revoked_at IS NOT NULL AND NEW.revoked_at IS NULL)
    EXECUTE FUNCTION shared.keep_sign_on_revoked();

-- A closed account is signed on nowhere.
CREATE FUNCTION shared.end_sign_ons_of_user() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $function$
BEGIN
    UPDATE shared.sign_ons SET revoked_at = clock_timestamp(), revoked_reason = 'user_' || NEW.status
     WHERE user_id = NEW.id AND revoked_at IS NULL;
    IF NEW.status = 'deleted' THEN
        DELETE FROM shared.sign_ons WHERE user_id = NEW.id;
    END IF;
    RETURN NULL;
END
$function$;
CREATE TRIGGER users_end_sign_ons AFTER UPDATE OF status ON shared.users
    FOR EACH ROW WHEN (NEW.status <> 'active') EXECUTE FUNCTION shared.end_sign_ons_of_user();

-- Whatever ends a session tells its program.
CREATE FUNCTION shared.queue_logout_notice() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $function$
BEGIN
    INSERT INTO shared.logout_notices (id, client_id, session_id, user_id, due_at, created_at)
    SELECT gen_random_uuid(), c.id, OLD.id, OLD.user_id, clock_timestamp(), clock_timestamp()
      FROM shared.oauth_clients c
     WHERE c.id = OLD.client_id AND c.backchannel_logout_uri IS NOT NULL;
    RETURN NULL;
END
$function$;
CREATE TRIGGER sessions_queue_logout_notice AFTER UPDATE OF revoked_at ON shared.sessions
    FOR EACH ROW WHEN (OLD.revoked_at IS NULL AND NEW.revoked_at IS NOT NULL AND OLD.client_id IS NOT NULL)
    EXECUTE FUNCTION shared.queue_logout_notice();
CREATE TRIGGER sessions_deleted_queue_logout_notice AFTER DELETE ON shared.sessions
    FOR EACH ROW WHEN (OLD.revoked_at IS NULL AND OLD.client_id IS NOT NULL
                       AND OLD.idle_expires_at > clock_timestamp())
    EXECUTE FUNCTION shared.queue_logout_notice();

-- Signs a person on with a browser, if what the caller has read of the account is still true. The same person goes on
-- with the sign-on that the browser had, under another secret; that of somebody else ends.
CREATE FUNCTION shared.start_sign_on(
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
           idle_expires_at = its_idle_expires_at
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

-- The sign-on of a browser. The rest of the transaction acts as its user. No row: there is none any more.
CREATE FUNCTION shared.open_sign_on(presented bytea, moment timestamptz)
RETURNS TABLE (id uuid, user_id uuid, full_name text, email text, authenticated_at timestamptz,
               expires_at timestamptz, idle_expires_at timestamptz, needs_second_factor boolean, asked_by text)
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
           o.asked_by
      FROM shared.sign_ons o
      JOIN shared.users u ON u.id = o.user_id AND u.status = 'active'
      LEFT JOIN shared.user_logins e ON e.user_id = u.id AND e.kind = 'email'
     WHERE o.hash = presented AND o.revoked_at IS NULL AND o.idle_expires_at > moment
           -- Another password must be given again.
       AND o.authenticated_at >= coalesce(u.password_changed_at, '-infinity');
END
$function$;

-- The code that a program presents, locked, with what its user may do. The rest of the transaction acts as the user. No
-- row: there is no such code.
CREATE FUNCTION shared.open_authorization_code(presented bytea, wanted_client text)
RETURNS TABLE (redirect_uri text, challenge text, nonce text, scopes text[], expires_at timestamptz, session_id uuid,
               user_id uuid, authenticated_at timestamptz, second_factor_at timestamptz,
               second_factor text, is_live boolean,
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
               AND o.authenticated_at >= greatest(u.password_changed_at, m.sign_in_again_since, '-infinity')
               AND (m.tenant_id IS NULL OR t.status = 'active')
               -- What the person has taken back since counts.
               AND (NOT p.is_foreign
                    OR EXISTS (SELECT FROM shared.consents s
                                WHERE s.membership_id = m.id AND s.client_id = p.id AND s.scopes @> code.scopes)),
           m.app, m.tenant_id, u.full_name, e.value, n.value, m.version, a.roles, a.permissions
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

-- Makes the session of a code that was opened, and so locked, in this transaction.
CREATE FUNCTION shared.use_authorization_code(
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
                                 second_factor_at)
    SELECT new_session, code.user_id, code.membership_id, business, its_user_agent, its_address, moment, moment,
           its_expires_at, its_idle_expires_at, code.client_id, code.sign_on_id, code.scopes, o.authenticated_at,
           o.second_factor_at
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

-- As before, with the program of the session and what it may do.
DROP FUNCTION shared.open_refresh_token(bytea);
CREATE FUNCTION shared.open_refresh_token(presented bytea)
RETURNS TABLE (token_id uuid, session_id uuid, user_id uuid, parent_id uuid, token_expires_at timestamptz,
               consumed_at timestamptz, superseded_at timestamptz, children bigint, used_children bigint,
               app text, tenant_id uuid, session_expires_at timestamptz, revoked_at timestamptz,
               is_active boolean, full_name text, email text, username text, membership_version integer,
               roles text[], permissions text[], session_created_at timestamptz, authenticated_at timestamptz,
               second_factor_at timestamptz, second_factor text, by_pin boolean, client_id text, is_public boolean,
               is_foreign boolean, scopes text[], tenant_status text)
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
           s.client_id, coalesce(p.is_public, false), coalesce(p.is_foreign, false), s.scopes, b.status
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

-- The program that presents its secret, or a public one, which has none. No row: it is unknown, or the secret is wrong.
CREATE FUNCTION shared.find_client(wanted text, presented bytea, moment timestamptz)
RETURNS TABLE (app text, is_public boolean, is_foreign boolean)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $function$
    SELECT c.app, c.is_public, c.is_foreign FROM shared.oauth_clients c
     WHERE c.id = wanted
       AND (c.is_public AND presented IS NULL
            OR c.hash = presented OR c.previous_hash = presented AND c.previous_expires_at > moment)
$function$;

REVOKE ALL ON FUNCTION
    shared.start_sign_on(uuid, uuid, timestamptz, bytea, bytea, text, inet, timestamptz, timestamptz, timestamptz, timestamptz,
                         text),
    shared.open_sign_on(bytea, timestamptz), shared.open_authorization_code(bytea, text),
    shared.use_authorization_code(bytea, uuid, text, inet, timestamptz, timestamptz, timestamptz, uuid, bytea),
    shared.open_refresh_token(bytea), shared.find_client(text, bytea, timestamptz) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION
    shared.start_sign_on(uuid, uuid, timestamptz, bytea, bytea, text, inet, timestamptz, timestamptz, timestamptz, timestamptz,
                         text),
    shared.open_sign_on(bytea, timestamptz), shared.open_authorization_code(bytea, text),
    shared.use_authorization_code(bytea, uuid, text, inet, timestamptz, timestamptz, timestamptz, uuid, bytea),
    shared.open_refresh_token(bytea), shared.find_client(text, bytea, timestamptz) TO tenantry_shared;
