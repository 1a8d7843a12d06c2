-- A second factor: six digits that an authenticator app shows, another each half minute (RFC 6238), or a recovery code.
CREATE TABLE shared.authenticators (
    user_id uuid CONSTRAINT authenticators_pkey PRIMARY KEY
        CONSTRAINT authenticators_user_id_fkey REFERENCES shared.users (id) ON DELETE CASCADE,
    -- The secret, encrypted, and the name of the secret that encrypted it.
    sealed_secret bytea NOT NULL,
    sealed_with text NOT NULL,
    -- Null: the user has not shown yet that the app knows the secret.
    confirmed_at timestamptz,
    -- The half minute of the last digits that were used. No digits are used twice.
    last_step bigint,
    created_at timestamptz NOT NULL
);

CREATE TABLE shared.recovery_codes (
    id uuid CONSTRAINT recovery_codes_pkey PRIMARY KEY,
    user_id uuid NOT NULL CONSTRAINT recovery_codes_user_id_fkey REFERENCES shared.users (id) ON DELETE CASCADE,
    hash bytea NOT NULL,
    used_at timestamptz,
    CONSTRAINT recovery_codes_user_id_hash_key UNIQUE (user_id, hash)
);

-- Roles whose permissions a business gives only in a session with a second factor.
CREATE TABLE shared.second_factor_roles (
    tenant_id uuid NOT NULL
        CONSTRAINT second_factor_roles_tenant_id_fkey REFERENCES shared.tenants (id) ON DELETE CASCADE,
    app text NOT NULL CONSTRAINT second_factor_roles_app_fkey REFERENCES shared.apps (slug) ON DELETE CASCADE,
    role text NOT NULL,
    CONSTRAINT second_factor_roles_pkey PRIMARY KEY (tenant_id, app, role)
);
CREATE INDEX second_factor_roles_app_idx ON shared.second_factor_roles (app);

ALTER TABLE shared.sessions
    -- When the user gave the password, if not when the session began.
    ADD COLUMN authenticated_at timestamptz,
    -- When the user gave the second factor. Null: not in this session.
    ADD COLUMN second_factor_at timestamptz,
    -- Whether the session began with a mailed link, which proves less than the password.
    ADD COLUMN by_link boolean NOT NULL DEFAULT false;
-- The session of the device at which this one began with a PIN.
-- reason: the column is null in each row, so that nothing is checked.
ALTER TABLE shared.sessions ADD COLUMN device_session_id uuid
    CONSTRAINT sessions_device_session_id_fkey REFERENCES shared.sessions (id) ON DELETE CASCADE;
-- reason: few sessions began with a PIN.
CREATE INDEX sessions_device_session_id_idx ON shared.sessions (device_session_id) WHERE device_session_id IS NOT NULL;

-- Six digits, and even more so four, are guessed sooner than a password. So their failures are forgotten more slowly, and
-- the wait is longer.
ALTER TABLE shared.sign_in_attempts ADD COLUMN kept_until timestamptz;
CREATE FUNCTION shared.count_attempt(
    of_key bytea, allowed integer, moment timestamptz, longest_s integer, half_life_s integer)
RETURNS double precision
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $function$
DECLARE
    until timestamptz;
    kept double precision;
BEGIN
    IF allowed = 0 THEN
        RETURN 0;
    END IF;
    INSERT INTO shared.sign_in_attempts (key, failures, updated_at, blocked_until)
    VALUES (of_key, 0, moment, '-infinity') ON CONFLICT (key) DO NOTHING;
    SELECT blocked_until,
           failures * power(0.5, greatest(extract(epoch FROM moment - updated_at), 0) / half_life_s) + 1
      INTO until, kept FROM shared.sign_in_attempts WHERE key = of_key FOR UPDATE;
    IF until > moment THEN
        RETURN extract(epoch FROM until - moment);
    END IF;
    UPDATE shared.sign_in_attempts
       SET failures = kept, updated_at = greatest(updated_at, moment),
           kept_until = moment + make_interval(secs => 5 * half_life_s),
           -- Another attempt may have begun a moment earlier, so "not at all" must not be this moment.
           blocked_until = CASE WHEN round(kept) < allowed THEN '-infinity'
                                ELSE moment + make_interval(
                                    secs => least(longest_s, power(2, least(round(kept) - allowed, 30)))) END
     WHERE key = of_key;
    RETURN 0;
END
$function$;
CREATE OR REPLACE FUNCTION shared.count_attempt(of_key bytea, allowed integer, moment timestamptz)
RETURNS double precision
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $function$
    SELECT shared.count_attempt(of_key, allowed, moment, 60, 600)
$function$;
REVOKE ALL ON FUNCTION shared.count_attempt(bytea, integer, timestamptz, integer, integer) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION shared.count_attempt(bytea, integer, timestamptz, integer, integer) TO tenantry_shared;

ALTER TABLE shared.authenticators ENABLE ROW LEVEL SECURITY;
ALTER TABLE shared.recovery_codes ENABLE ROW LEVEL SECURITY;
ALTER TABLE shared.second_factor_roles ENABLE ROW LEVEL SECURITY;
CREATE POLICY authenticators_own ON shared.authenticators TO tenantry_shared
    USING (user_id = nullif(current_setting('tenantry.user', true), '')::uuid);
CREATE POLICY recovery_codes_own ON shared.recovery_codes TO tenantry_shared
    USING (user_id = nullif(current_setting('tenantry.user', true), '')::uuid);
CREATE POLICY second_factor_roles_own ON shared.second_factor_roles TO tenantry_shared
    USING (tenant_id = nullif(current_setting('tenantry.tenant', true), '')::uuid);
CREATE POLICY second_factor_roles_platform ON shared.second_factor_roles FOR SELECT TO tenantry_platform USING (true);
GRANT SELECT, INSERT, UPDATE, DELETE ON shared.authenticators, shared.recovery_codes TO tenantry_shared;
GRANT SELECT, INSERT, DELETE ON shared.second_factor_roles TO tenantry_shared;
GRANT SELECT ON shared.second_factor_roles TO tenantry_platform;
GRANT UPDATE (authenticated_at, second_factor_at, by_link) ON shared.sessions TO tenantry_shared;

-- What a session lacks: 'given', the second factor was given; 'unneeded'; 'to_enrol', a role of the member needs one,
-- and the user has none yet; 'missing', the user has one, and did not give it. A mailed link alone does not
-- tell whether the user has one.
CREATE FUNCTION shared.second_factor_state(
    of_user uuid, of_membership uuid, given_at timestamptz, has_link_alone boolean) RETURNS text
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $function$
    SELECT CASE
               WHEN NOT has_link_alone
                AND EXISTS (SELECT FROM shared.authenticators a
                             WHERE a.user_id = of_user AND a.confirmed_at IS NOT NULL)
               THEN CASE WHEN given_at IS NULL THEN 'missing' ELSE 'given' END
               WHEN EXISTS (SELECT FROM shared.membership_roles r
                              JOIN shared.memberships m ON m.id = r.membership_id
                              JOIN shared.second_factor_roles s
                                ON s.tenant_id = m.tenant_id AND s.app = r.app AND s.role = r.role
                             WHERE r.membership_id = of_membership)
               THEN 'to_enrol'
               ELSE 'unneeded'
           END
$function$;
REVOKE ALL ON FUNCTION shared.second_factor_state(uuid, uuid, timestamptz, boolean) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION shared.second_factor_state(uuid, uuid, timestamptz, boolean) TO tenantry_shared;

-- A mailed link alone gives what the invitation gave, and not what the member gets later.
CREATE FUNCTION shared.end_sessions_by_link() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $function$
BEGIN
    UPDATE shared.sessions SET revoked_at = clock_timestamp(), revoked_reason = 'roles_changed'
     WHERE id IN (SELECT s.id FROM shared.sessions s
                   WHERE s.membership_id = NEW.id AND s.by_link AND s.authenticated_at IS NULL
                     AND s.revoked_at IS NULL
                   ORDER BY s.id FOR NO KEY UPDATE);
    RETURN NULL;
END
$function$;
CREATE TRIGGER memberships_end_sessions_by_link AFTER UPDATE ON shared.memberships
    FOR EACH ROW WHEN (OLD.version <> NEW.version) EXECUTE FUNCTION shared.end_sessions_by_link();

-- Nothing of a deleted account stays.
CREATE FUNCTION shared.forget_authenticator() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $function$
BEGIN
    DELETE FROM shared.authenticators WHERE user_id = NEW.id;
    DELETE FROM shared.recovery_codes WHERE user_id = NEW.id;
    RETURN NULL;
END
$function$;
CREATE TRIGGER users_forget_authenticator AFTER UPDATE OF status ON shared.users
    FOR EACH ROW WHEN (NEW.status = 'deleted') EXECUTE FUNCTION shared.forget_authenticator();

-- A user who gives up the second factor has no permissions any more in roles that need one.
CREATE FUNCTION shared.apply_lost_authenticator() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $function$
BEGIN
    UPDATE shared.memberships SET version = version + 1
     WHERE id IN (SELECT m.id FROM shared.memberships m
                   WHERE m.user_id = OLD.user_id
                     AND EXISTS (SELECT FROM shared.membership_roles r
                                   JOIN shared.second_factor_roles s
                                     ON s.tenant_id = m.tenant_id AND s.app = r.app AND s.role = r.role
                                  WHERE r.membership_id = m.id)
                   ORDER BY m.id FOR NO KEY UPDATE);
    RETURN NULL;
END
$function$;
CREATE TRIGGER authenticators_deleted AFTER DELETE ON shared.authenticators
    FOR EACH ROW WHEN (OLD.confirmed_at IS NOT NULL) EXECUTE FUNCTION shared.apply_lost_authenticator();

-- A change of the requirement takes effect at once: those who have the role refresh their sessions.
CREATE FUNCTION shared.apply_second_factor_roles() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $function$
DECLARE
    changed shared.second_factor_roles;
BEGIN
    IF TG_OP = 'DELETE' THEN
        changed := OLD;
    ELSE
        changed := NEW;
    END IF;
    UPDATE shared.memberships SET version = version + 1
     WHERE id IN (SELECT m.id FROM shared.memberships m
                    JOIN shared.membership_roles r ON r.membership_id = m.id
                   WHERE m.tenant_id = changed.tenant_id AND r.app = changed.app AND r.role = changed.role
                   ORDER BY m.id FOR NO KEY UPDATE OF m);
    RETURN NULL;
END
$function$;
CREATE TRIGGER second_factor_roles_apply AFTER INSERT OR DELETE ON shared.second_factor_roles
    FOR EACH ROW EXECUTE FUNCTION shared.apply_second_factor_roles();

-- A role that is removed takes its requirement with it.
CREATE FUNCTION shared.forget_second_factor_role() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $function$
BEGIN
    DELETE FROM shared.second_factor_roles WHERE tenant_id = OLD.tenant_id AND app = OLD.app AND role = OLD.key;
    RETURN NULL;
END
$function$;
CREATE TRIGGER roles_forget_second_factor AFTER DELETE ON shared.roles
    FOR EACH ROW WHEN (OLD.tenant_id IS NOT NULL) EXECUTE FUNCTION shared.forget_second_factor_role();
