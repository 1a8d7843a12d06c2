-- Sessions: a person who signed in to one app of one business, with one device, until they sign out.
CREATE TABLE shared.sessions (
    id uuid CONSTRAINT sessions_pkey PRIMARY KEY,
    user_id uuid NOT NULL CONSTRAINT sessions_user_id_fkey REFERENCES shared.users (id) ON DELETE CASCADE,
    membership_id uuid NOT NULL
        CONSTRAINT sessions_membership_id_fkey REFERENCES shared.memberships (id) ON DELETE CASCADE,
    -- The business of the membership; null for an app without businesses.
    tenant_id uuid CONSTRAINT sessions_tenant_id_fkey REFERENCES shared.tenants (id) ON DELETE CASCADE,
    -- The device as its user names it, and as its program names itself.
    device text,
    user_agent text,
    address inet,
    created_at timestamptz NOT NULL,
    last_seen_at timestamptz NOT NULL,
    -- Not extended by anything.
    expires_at timestamptz NOT NULL,
    -- Extended by each refresh.
    idle_expires_at timestamptz NOT NULL,
    revoked_at timestamptz,
    revoked_reason text,
    CONSTRAINT sessions_id_user_id_key UNIQUE (id, user_id),
    CONSTRAINT sessions_idle_expires_at_check CHECK (idle_expires_at <= expires_at),
    CONSTRAINT sessions_revoked_check CHECK ((revoked_at IS NULL) = (revoked_reason IS NULL))
);
CREATE INDEX sessions_user_id_idx ON shared.sessions (user_id, id);
CREATE INDEX sessions_membership_id_idx ON shared.sessions (membership_id);
CREATE INDEX sessions_tenant_id_idx ON shared.sessions (tenant_id);
CREATE INDEX sessions_idle_expires_at_idx ON shared.sessions (idle_expires_at);

-- The refresh tokens of a session, of which only hashes are stored. A token is used once; it is kept until it expires,
-- so that a second use is noticed.
CREATE TABLE shared.refresh_tokens (
    id uuid CONSTRAINT refresh_tokens_pkey PRIMARY KEY,
    session_id uuid NOT NULL,
    -- The user of the session.
    user_id uuid NOT NULL,
    hash bytea NOT NULL CONSTRAINT refresh_tokens_hash_key UNIQUE,
    -- The token that was exchanged for this one; null for the first one of a session.
    parent_id uuid,
    expires_at timestamptz NOT NULL,
    consumed_at timestamptz,
    -- Another token with the same parent was used first.
    superseded_at timestamptz,
    CONSTRAINT refresh_tokens_session_id_user_id_fkey FOREIGN KEY (session_id, user_id)
        REFERENCES shared.sessions (id, user_id) ON DELETE CASCADE
);
CREATE INDEX refresh_tokens_session_id_idx ON shared.refresh_tokens (session_id, parent_id);
CREATE INDEX refresh_tokens_user_id_idx ON shared.refresh_tokens (user_id);
CREATE INDEX refresh_tokens_expires_at_idx ON shared.refresh_tokens (expires_at);

-- Sessions whose access tokens are no longer valid, or only from a version of the membership on. Servers hold those of
-- the last token lifetime in memory.
CREATE TABLE shared.revocations (
    id bigint GENERATED ALWAYS AS IDENTITY CONSTRAINT revocations_pkey PRIMARY KEY,
    session_id uuid NOT NULL,
    -- Tokens of this version and later ones are valid; null: none is.
    valid_from integer,
    revoked_at timestamptz NOT NULL
);
CREATE INDEX revocations_revoked_at_idx ON shared.revocations (revoked_at);
CREATE INDEX revocations_session_id_idx ON shared.revocations (session_id);

CREATE FUNCTION shared.announce_revocations() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $function$
BEGIN
    -- The queue of announcements is finite. Servers that are told of very many read the table instead.
    IF (SELECT count(*) FROM added) > 200 THEN
        PERFORM pg_notify('tenantry_revocations', 'many');
    ELSE
        PERFORM pg_notify('tenantry_revocations', session_id || ' ' || coalesce(valid_from::text, 'none')) FROM added;
    END IF;
    RETURN NULL;
END
$function$;
CREATE TRIGGER revocations_announce AFTER INSERT ON shared.revocations
    REFERENCING NEW TABLE AS added FOR EACH STATEMENT EXECUTE FUNCTION shared.announce_revocations();

-- Whatever takes access away revokes: no code can forget it.
CREATE FUNCTION shared.revoke_session() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $function$
BEGIN
    INSERT INTO shared.revocations (session_id, revoked_at) VALUES (OLD.id, clock_timestamp());
    RETURN NULL;
END
$function$;
CREATE TRIGGER sessions_revoke AFTER UPDATE OF revoked_at ON shared.sessions
    FOR EACH ROW WHEN (OLD.revoked_at IS NULL AND NEW.revoked_at IS NOT NULL)
    EXECUTE FUNCTION shared.revoke_session();
CREATE TRIGGER sessions_delete AFTER DELETE ON shared.sessions
    FOR EACH ROW WHEN (OLD.revoked_at IS NULL AND OLD.idle_expires_at > clock_timestamp())
    EXECUTE FUNCTION shared.revoke_session();

-- What has ended stays so.
CREATE FUNCTION shared.keep_revoked() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $function$
BEGIN
    RAISE EXCEPTION 'a session that was revoked stays revoked'
          USING ERRCODE = 'check_violation', CONSTRAINT = 'sessions_stay_revoked';
END
$function$;
CREATE TRIGGER sessions_stay_revoked BEFORE UPDATE OF revoked_at ON shared.sessions
    FOR EACH ROW WHEN (OLD.revoked_at IS NOT NULL AND NEW.revoked_at IS NULL) EXECUTE FUNCTION shared.keep_revoked();

CREATE FUNCTION shared.revoke_sessions_of_membership() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $function$
BEGIN
    IF NEW.status = 'active' THEN
        INSERT INTO shared.revocations (session_id, valid_from, revoked_at)
        SELECT s.id, NEW.version, clock_timestamp() FROM shared.sessions s
         WHERE s.membership_id = NEW.id AND s.revoked_at IS NULL AND s.idle_expires_at > clock_timestamp();
    ELSE
        UPDATE shared.sessions SET revoked_at = clock_timestamp(), revoked_reason = 'membership_' || NEW.status
         WHERE membership_id = NEW.id AND revoked_at IS NULL;
    END IF;
    RETURN NULL;
END
$function$;
CREATE TRIGGER memberships_revoke AFTER UPDATE ON shared.memberships
    FOR EACH ROW WHEN (OLD.version <> NEW.version) EXECUTE FUNCTION shared.revoke_sessions_of_membership();

CREATE FUNCTION shared.revoke_sessions_of_user() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $function$
BEGIN
    UPDATE shared.sessions SET revoked_at = clock_timestamp(), revoked_reason = 'user_' || NEW.status
     WHERE user_id = NEW.id AND revoked_at IS NULL;
    RETURN NULL;
END
$function$;
CREATE TRIGGER users_revoke AFTER UPDATE OF status ON shared.users
    FOR EACH ROW WHEN (NEW.status <> 'active') EXECUTE FUNCTION shared.revoke_sessions_of_user();

-- What happened to accounts and access: who, what, from where, with which device, and how it ended. It never holds a
-- secret, and people are named by id, so that a deleted person leaves no name behind.
CREATE TABLE shared.auth_events (
    id uuid CONSTRAINT auth_events_pkey PRIMARY KEY,
    occurred_at timestamptz NOT NULL,
    -- The business, where there is one. These ids refer to nothing: the entry outlives what they name.
    tenant_id uuid,
    -- Who acted. Null: nobody who was known, or the program.
    actor_id uuid,
    -- The command or program that acted, if no person did.
    actor text,
    -- Whose account or access it was.
    user_id uuid,
    action text NOT NULL,
    -- What went wrong; null: nothing did.
    failure text,
    app text,
    session_id uuid,
    address inet,
    user_agent text,
    device text,
    details jsonb NOT NULL
);
CREATE INDEX auth_events_tenant_id_idx ON shared.auth_events (tenant_id, id);
CREATE INDEX auth_events_user_id_idx ON shared.auth_events (user_id, id);
CREATE INDEX auth_events_occurred_at_idx ON shared.auth_events (occurred_at);

ALTER TABLE shared.sessions ENABLE ROW LEVEL SECURITY;
ALTER TABLE shared.refresh_tokens ENABLE ROW LEVEL SECURITY;
ALTER TABLE shared.revocations ENABLE ROW LEVEL SECURITY;
ALTER TABLE shared.auth_events ENABLE ROW LEVEL SECURITY;
CREATE POLICY sessions_own ON shared.sessions TO tenantry_shared
    USING (user_id = nullif(current_setting('tenantry.user', true), '')::uuid);
CREATE POLICY sessions_of_business ON shared.sessions TO tenantry_shared
    USING (tenant_id = nullif(current_setting('tenantry.tenant', true), '')::uuid);
CREATE POLICY sessions_platform ON shared.sessions FOR SELECT TO tenantry_platform USING (true);
CREATE POLICY refresh_tokens_own ON shared.refresh_tokens TO tenantry_shared
    USING (user_id = nullif(current_setting('tenantry.user', true), '')::uuid);
-- Ids of sessions say nothing about anybody, and every server needs them all.
CREATE POLICY revocations_read ON shared.revocations FOR SELECT TO tenantry_shared USING (true);
CREATE POLICY auth_events_read ON shared.auth_events FOR SELECT TO tenantry_shared
    USING (tenant_id = nullif(current_setting('tenantry.tenant', true), '')::uuid
           OR user_id = nullif(current_setting('tenantry.user', true), '')::uuid);
CREATE POLICY auth_events_platform ON shared.auth_events FOR SELECT TO tenantry_platform USING (true);
-- Before anybody is signed in there is neither a business nor a user to which an event must belong.
CREATE POLICY auth_events_write ON shared.auth_events FOR INSERT TO tenantry_shared, tenantry_platform
    WITH CHECK (tenant_id IS NULL OR nullif(current_setting('tenantry.tenant', true), '') IS NULL
                OR tenant_id = nullif(current_setting('tenantry.tenant', true), '')::uuid);
-- People see the names of the businesses at which they are signed in.
CREATE POLICY tenants_of_member ON shared.tenants FOR SELECT TO tenantry_shared
    USING (id IN (SELECT tenant_id FROM shared.memberships
                   WHERE user_id = nullif(current_setting('tenantry.user', true), '')::uuid));
-- They see nothing else of these businesses.
DROP POLICY schemas_own ON shared.schemas;
CREATE POLICY schemas_own ON shared.schemas TO tenantry_shared
    USING (number IN (SELECT number FROM shared.tenants
                       WHERE id = nullif(current_setting('tenantry.tenant', true), '')::uuid));
GRANT SELECT ON shared.sessions TO tenantry_shared, tenantry_platform;
GRANT UPDATE (address, user_agent, last_seen_at, idle_expires_at, revoked_at, revoked_reason)
   ON shared.sessions TO tenantry_shared;
GRANT SELECT, INSERT, UPDATE (consumed_at, superseded_at) ON shared.refresh_tokens TO tenantry_shared;
GRANT SELECT ON shared.revocations TO tenantry_shared;
GRANT SELECT, INSERT ON shared.auth_events TO tenantry_shared, tenantry_platform;

-- What a member may do in one app, by the roles of a membership.
CREATE FUNCTION shared.access_of(wanted_membership uuid)
RETURNS TABLE (roles text[], permissions text[])
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $function$
    SELECT ARRAY(SELECT mr.role FROM shared.membership_roles mr
                  WHERE mr.membership_id = wanted_membership ORDER BY mr.role),
           ARRAY(SELECT DISTINCT rp.permission
                   FROM shared.membership_roles mr
                   JOIN shared.role_permissions rp
                     ON rp.app = mr.app AND rp.role_scope = mr.role_scope AND rp.role = mr.role
                  WHERE mr.membership_id = wanted_membership
                  ORDER BY rp.permission)
$function$;
REVOKE ALL ON FUNCTION shared.access_of(uuid) FROM PUBLIC;

-- Starts a session, if what the caller has read of the account is still true: after a change of the password, nobody
-- gets in with the old one.
CREATE FUNCTION shared.start_session(
    new_session uuid, of_user uuid, of_membership uuid, read_version integer, read_password_changed_at timestamptz,
    its_device text, its_user_agent text, its_address inet, moment timestamptz, its_expires_at timestamptz,
    its_idle_expires_at timestamptz, first_token uuid, first_hash bytea)
RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $function$
DECLARE
    business uuid;
BEGIN
    PERFORM FROM shared.users
      WHERE id = of_user AND status = 'active' AND password_changed_at IS NOT DISTINCT FROM read_password_changed_at
        FOR SHARE;
    IF NOT FOUND THEN
        RETURN false;
    END IF;
    UPDATE shared.memberships SET last_sign_in_at = moment
     WHERE id = of_membership AND user_id = of_user AND status = 'active' AND version = read_version
    RETURNING tenant_id INTO business;
    IF NOT FOUND THEN
        RETURN false;
    END IF;
    INSERT INTO shared.sessions (id, user_id, membership_id, tenant_id, device, user_agent, address, created_at,
                                 last_seen_at, expires_at, idle_expires_at)
    VALUES (new_session, of_user, of_membership, business, its_device, its_user_agent, its_address, moment,
            moment, its_expires_at, its_idle_expires_at);
    INSERT INTO shared.refresh_tokens (id, session_id, user_id, hash, expires_at)
    VALUES (first_token, new_session, of_user, first_hash, its_idle_expires_at);
    -- A program that signs in instead of refreshing must not fill the table.
    UPDATE shared.sessions SET revoked_at = moment, revoked_reason = 'too_many'
     WHERE id IN (SELECT id FROM shared.sessions
                   WHERE membership_id = of_membership AND revoked_at IS NULL AND idle_expires_at > moment
                   ORDER BY last_seen_at DESC, id DESC OFFSET 100);
    RETURN true;
END
$function$;

-- Finds the session of a refresh token and locks it, so that its refreshes run one after another. The rest of the
-- transaction acts as its user. No row: no such token.
CREATE FUNCTION shared.open_refresh_token(presented bytea)
RETURNS TABLE (token_id uuid, session_id uuid, user_id uuid, parent_id uuid, token_expires_at timestamptz,
               consumed_at timestamptz, superseded_at timestamptz, children bigint, used_children bigint,
               app text, tenant_id uuid, session_expires_at timestamptz, revoked_at timestamptz,
               is_active boolean, full_name text, email text, username text, membership_version integer,
               roles text[], permissions text[], session_created_at timestamptz)
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
           u.full_name, e.value, n.value, m.version, a.roles, a.permissions, s.created_at
      FROM shared.refresh_tokens t
      JOIN shared.sessions s ON s.id = t.session_id
      JOIN shared.users u ON u.id = s.user_id
      JOIN shared.memberships m ON m.id = s.membership_id
      LEFT JOIN shared.user_logins e ON e.user_id = u.id AND e.kind = 'email'
      LEFT JOIN shared.user_logins n ON n.user_id = u.id AND n.kind = 'username' AND n.tenant_id = s.tenant_id
     CROSS JOIN LATERAL shared.access_of(m.id) a
     CROSS JOIN LATERAL (SELECT count(*) AS children, count(c.consumed_at) AS used_children
                           FROM shared.refresh_tokens c WHERE c.session_id = s.id AND c.parent_id = t.id) c
     WHERE t.hash = presented;
END
$function$;

REVOKE ALL ON FUNCTION
    shared.start_session(uuid, uuid, uuid, integer, timestamptz, text, text, inet, timestamptz, timestamptz, timestamptz, uuid, bytea),
    shared.open_refresh_token(bytea) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION
    shared.start_session(uuid, uuid, uuid, integer, timestamptz, text, text, inet, timestamptz, timestamptz, timestamptz, uuid, bytea),
    shared.open_refresh_token(bytea) TO tenantry_shared;

-- Nobody changes an entry. The owner's login deletes those that are older than the retention.
CREATE TRIGGER auth_events_append_only BEFORE UPDATE OR TRUNCATE ON shared.auth_events
    FOR EACH STATEMENT EXECUTE FUNCTION shared.refuse_change();
