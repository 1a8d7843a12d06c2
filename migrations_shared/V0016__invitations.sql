-- Invitations, and emails that their users confirm.

-- A person is asked to become a member. The link's token is made from a key of the server and the generation, so only
-- its hash is stored.
CREATE TABLE shared.invitations (
    id uuid CONSTRAINT invitations_pkey PRIMARY KEY,
    -- The business; null for an app without businesses.
    tenant_id uuid CONSTRAINT invitations_tenant_id_fkey REFERENCES shared.tenants (id) ON DELETE CASCADE,
    app text NOT NULL CONSTRAINT invitations_app_fkey REFERENCES shared.apps (slug),
    email text NOT NULL CONSTRAINT invitations_email_check CHECK (email = lower(email)),
    roles text[] NOT NULL,
    -- The member who invites; null: the operator.
    inviter_id uuid,
    -- Who of the platform's staff invites; null: a member, or a command. Businesses do not see it.
    staff_id uuid,
    hash bytea NOT NULL CONSTRAINT invitations_hash_key UNIQUE,
    -- Counts the links. Only the last one is of use.
    generation integer NOT NULL DEFAULT 1,
    created_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    accepted_at timestamptz,
    -- The user who accepted. It refers to nothing: the entry outlives the account.
    accepted_by uuid,
    revoked_at timestamptz,
    CONSTRAINT invitations_end_check CHECK (accepted_at IS NULL OR revoked_at IS NULL)
);
CREATE UNIQUE INDEX invitations_open_key ON shared.invitations (tenant_id, app, email) NULLS NOT DISTINCT
    WHERE accepted_at IS NULL AND revoked_at IS NULL;
CREATE INDEX invitations_tenant_id_idx ON shared.invitations (tenant_id, id);
CREATE INDEX invitations_email_idx ON shared.invitations (email);

-- A new email of a user. It is used when both addresses have confirmed it.
CREATE TABLE shared.email_changes (
    id uuid CONSTRAINT email_changes_pkey PRIMARY KEY,
    user_id uuid NOT NULL CONSTRAINT email_changes_user_id_key UNIQUE
        CONSTRAINT email_changes_user_id_fkey REFERENCES shared.users (id) ON DELETE CASCADE,
    new_email text NOT NULL CONSTRAINT email_changes_new_email_check CHECK (new_email = lower(new_email)),
    old_confirmed_at timestamptz,
    new_confirmed_at timestamptz,
    expires_at timestamptz NOT NULL
);
-- reason: tokens live for a day at most.
ALTER TABLE shared.one_time_tokens ADD COLUMN change_id uuid
    CONSTRAINT one_time_tokens_change_id_fkey REFERENCES shared.email_changes (id) ON DELETE CASCADE;
-- reason: tokens live for a day at most.
CREATE INDEX one_time_tokens_change_id_idx ON shared.one_time_tokens (change_id);

ALTER TABLE shared.invitations ENABLE ROW LEVEL SECURITY;
ALTER TABLE shared.email_changes ENABLE ROW LEVEL SECURITY;
CREATE POLICY invitations_of_business ON shared.invitations TO tenantry_shared
    USING (tenant_id = nullif(current_setting('tenantry.tenant', true), '')::uuid)
    WITH CHECK (tenant_id = nullif(current_setting('tenantry.tenant', true), '')::uuid AND inviter_id IS NOT NULL);
CREATE POLICY invitations_platform ON shared.invitations FOR SELECT TO tenantry_platform USING (true);
CREATE POLICY email_changes_own ON shared.email_changes FOR SELECT TO tenantry_shared
    USING (user_id = nullif(current_setting('tenantry.user', true), '')::uuid);
GRANT SELECT (id, tenant_id, app, email, roles, inviter_id, generation, created_at, expires_at, accepted_at, accepted_by,
              revoked_at)
   ON shared.invitations TO tenantry_shared, tenantry_platform;
GRANT INSERT (id, tenant_id, app, email, roles, inviter_id, hash, created_at, expires_at),
      UPDATE (inviter_id, hash, generation, expires_at, revoked_at) ON shared.invitations TO tenantry_shared;
GRANT SELECT ON shared.email_changes TO tenantry_shared;

-- A mail with parameters of its template. Null: any number of mails a day.
CREATE FUNCTION shared.queue_mail(
    new_id uuid, of_tenant uuid, its_template text, its_address text, its_parameters jsonb, most_a_day integer,
    moment timestamptz) RETURNS boolean
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $function$
    WITH written AS (
        INSERT INTO shared.mails (id, tenant_id, template, address, parameters, state, due_at, created_at)
        SELECT new_id, of_tenant, its_template, its_address, its_parameters, 'queued', moment, moment
         WHERE most_a_day IS NULL
            OR most_a_day > (SELECT count(*) FROM shared.mails
                              WHERE address = its_address AND template = its_template
                                AND created_at > moment - interval '1 day')
        RETURNING 1)
    SELECT EXISTS (SELECT FROM written)
$function$;
REVOKE ALL ON FUNCTION shared.queue_mail(uuid, uuid, text, text, jsonb, integer, timestamptz) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION shared.queue_mail(uuid, uuid, text, text, jsonb, integer, timestamptz) TO tenantry_shared;

-- The invitation of a link that is of use at this business.
CREATE FUNCTION shared.find_invitation(presented bytea, at_tenant uuid, moment timestamptz)
RETURNS TABLE (id uuid, app text, email text, roles text[], inviter_id uuid)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $function$
    SELECT i.id, i.app, i.email, i.roles, i.inviter_id FROM shared.invitations i
     WHERE i.hash = presented AND i.tenant_id IS NOT DISTINCT FROM at_tenant
       AND i.accepted_at IS NULL AND i.revoked_at IS NULL AND i.expires_at > moment
       AND (i.inviter_id IS NULL
            OR EXISTS (SELECT FROM shared.users u WHERE u.id = i.inviter_id AND u.status = 'active'))
       AND (i.staff_id IS NULL
            OR EXISTS (SELECT FROM shared.users u
                         JOIN shared.memberships m ON m.user_id = u.id AND m.app = 'platform' AND m.status = 'active'
                        CROSS JOIN LATERAL shared.access_of(m.id) a
                        WHERE u.id = i.staff_id AND u.status = 'active' AND 'users.write' = ANY (a.permissions)))
$function$;

-- Accepts an invitation: makes the user, if nobody has the email, and the membership. An existing user keeps the
-- password and the name. The link shows that the email belongs to its user. No row: the link is of no use.
CREATE FUNCTION shared.accept_invitation(
    presented bytea, at_tenant uuid, new_user uuid, new_login uuid, new_membership uuid, its_name text, its_hash text,
    its_key text, moment timestamptz)
RETURNS TABLE (user_id uuid, is_new boolean, full_name text, password_changed_at timestamptz, membership_id uuid,
               membership_version integer, roles text[], permissions text[])
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $function$
#variable_conflict use_column
DECLARE
    invitation record;
    of_user uuid;
    of_membership uuid;
BEGIN
    SELECT i.* INTO invitation FROM shared.invitations i
     WHERE i.hash = presented AND i.tenant_id IS NOT DISTINCT FROM at_tenant FOR UPDATE;
    IF NOT FOUND OR invitation.accepted_at IS NOT NULL OR invitation.revoked_at IS NOT NULL OR invitation.expires_at <= moment THEN
        RETURN;
    END IF;
    IF NOT EXISTS (SELECT FROM shared.roles r
                    WHERE r.app = invitation.app AND r.key = ANY (invitation.roles)
                      AND (r.tenant_id IS NULL OR r.tenant_id = invitation.tenant_id)) THEN
        RETURN;
    END IF;
    -- Of two that make an account with one email, the second waits for the first, and then finds it.
    PERFORM pg_advisory_xact_lock(hashtextextended('email ' || invitation.email, 0));
    SELECT l.user_id INTO of_user FROM shared.user_logins l WHERE l.kind = 'email' AND l.value = invitation.email;
    IF of_user IS NULL THEN
        of_user := new_user;
        INSERT INTO shared.users (id, full_name, status, password_hash, password_key, password_changed_at, created_at,
                                  updated_at)
        VALUES (new_user, its_name, 'active', its_hash, its_key, moment, moment, moment);
        INSERT INTO shared.user_logins (id, user_id, kind, value, verified_at, created_at)
        VALUES (new_login, new_user, 'email', invitation.email, moment, moment);
    ELSE
        PERFORM FROM shared.users u WHERE u.id = of_user AND u.status = 'active' FOR UPDATE;
        -- The email may have been changed while this waited.
        IF NOT FOUND OR NOT EXISTS (SELECT FROM shared.user_logins l
                                     WHERE l.user_id = of_user AND l.kind = 'email'
                                       AND l.value = invitation.email) THEN
            RETURN;
        END IF;
        -- A password that somebody else chose, and that was never used, is replaced.
        UPDATE shared.users u
           SET password_hash = its_hash, password_key = its_key, password_changed_at = moment,
               must_change_password = false, updated_at = moment
         WHERE u.id = of_user AND (u.must_change_password OR u.password_hash IS NULL);
        UPDATE shared.user_logins l SET verified_at = coalesce(l.verified_at, moment)
         WHERE l.user_id = of_user AND l.kind = 'email';
    END IF;
    INSERT INTO shared.memberships (id, user_id, app, tenant_id, status, created_at, updated_at)
    VALUES (new_membership, of_user, invitation.app, invitation.tenant_id, 'active', moment, moment)
        ON CONFLICT (user_id, app, tenant_id) DO NOTHING;
    SELECT m.id INTO of_membership FROM shared.memberships m
     WHERE m.user_id = of_user AND m.app = invitation.app AND m.tenant_id IS NOT DISTINCT FROM invitation.tenant_id
       AND m.status = 'active';
    IF of_membership IS NULL THEN
        RETURN;
    END IF;
    INSERT INTO shared.membership_roles (membership_id, app, scope, role_scope, role)
    SELECT m.id, m.app, m.scope, r.scope, r.key
      FROM shared.memberships m
      JOIN shared.roles r ON r.app = m.app AND (r.tenant_id IS NULL OR r.tenant_id = m.tenant_id)
     WHERE m.id = of_membership AND r.key = ANY (invitation.roles)
        ON CONFLICT (membership_id, role) DO NOTHING;
    UPDATE shared.invitations i SET accepted_at = moment, accepted_by = of_user WHERE i.id = invitation.id;
    RETURN QUERY
    SELECT u.id, u.id = new_user, u.full_name, u.password_changed_at, m.id, m.version, a.roles, a.permissions
      FROM shared.users u
      JOIN shared.memberships m ON m.id = of_membership
     CROSS JOIN LATERAL shared.access_of(m.id) a
     WHERE u.id = of_user;
END
$function$;

-- Deletes an account, and what was mailed to its address. The row of the user stays without a name, because the books of
-- businesses refer to its id. False: there was no such account.
CREATE FUNCTION shared.erase_user(of_user uuid, moment timestamptz) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $function$
DECLARE
    its_email text;
BEGIN
    SELECT value INTO its_email FROM shared.user_logins WHERE user_id = of_user AND kind = 'email';
    -- Invitations before users, as where one is accepted, so that neither waits for the other.
    DELETE FROM shared.invitations WHERE email = its_email OR accepted_by = of_user;
    PERFORM FROM shared.users WHERE id = of_user AND status <> 'deleted' FOR NO KEY UPDATE;
    IF NOT FOUND THEN
        RETURN false;
    END IF;
    -- The email may have been changed while this waited.
    SELECT value INTO its_email FROM shared.user_logins WHERE user_id = of_user AND kind = 'email';
    -- Sessions, roles and tokens go with them.
    DELETE FROM shared.memberships WHERE user_id = of_user;
    DELETE FROM shared.one_time_tokens WHERE user_id = of_user;
    DELETE FROM shared.mails
     WHERE address = its_email OR parameters ->> 'newEmail' = its_email
        OR address IN (SELECT new_email FROM shared.email_changes WHERE user_id = of_user);
    DELETE FROM shared.email_changes WHERE user_id = of_user;
    DELETE FROM shared.user_logins WHERE user_id = of_user;
    UPDATE shared.users
       SET status = 'deleted', full_name = NULL, phone = NULL, locale = NULL, password_hash = NULL,
           password_key = NULL, password_changed_at = NULL, must_change_password = false, version = version + 1,
           updated_at = moment
     WHERE id = of_user;
    RETURN true;
END
$function$;

-- Deletes the account of the user of the transaction, if the password is still the one that was compared.
CREATE FUNCTION shared.erase_own_user(old_hash text, moment timestamptz) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $function$
DECLARE
    self uuid := nullif(current_setting('tenantry.user', true), '')::uuid;
BEGIN
    PERFORM FROM shared.users WHERE id = self AND password_hash = old_hash FOR NO KEY UPDATE;
    RETURN FOUND AND shared.erase_user(self, moment);
END
$function$;

-- Asks for another email of the user of the transaction. A user without an email confirms the new one alone.
CREATE FUNCTION shared.request_email_change(new_id uuid, wanted text, moment timestamptz) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $function$
DECLARE
    self uuid := nullif(current_setting('tenantry.user', true), '')::uuid;
BEGIN
    PERFORM FROM shared.users WHERE id = self AND status = 'active' FOR UPDATE;
    DELETE FROM shared.email_changes WHERE user_id = self;
    INSERT INTO shared.email_changes (id, user_id, new_email, old_confirmed_at, expires_at)
    SELECT new_id, self, wanted,
           CASE WHEN NOT EXISTS (SELECT FROM shared.user_logins WHERE user_id = self AND kind = 'email') THEN moment END,
           moment + interval '1 day';
END
$function$;

-- Uses a link that confirms an email. The outcome is 'verified', 'waiting' for the other address, 'changed', or 'taken'
-- by another user in the meantime. No row: the link is of no use. The rest of the transaction acts as the user.
CREATE FUNCTION shared.confirm_email(presented bytea, new_login uuid, moment timestamptz)
RETURNS TABLE (outcome text, user_id uuid, old_email text, new_email text)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $function$
#variable_conflict use_column
DECLARE
    token record;
    change record;
    present text;
BEGIN
    UPDATE shared.one_time_tokens t SET consumed_at = moment
      FROM shared.users u
     WHERE t.hash = presented AND t.purpose IN ('email_verification', 'email_change_old', 'email_change_new')
       AND t.consumed_at IS NULL AND t.expires_at > moment AND u.id = t.user_id AND u.status = 'active'
    RETURNING t.purpose, t.user_id, t.change_id INTO token;
    IF NOT FOUND THEN
        RETURN;
    END IF;
    PERFORM set_config('tenantry.user', token.user_id::text, true);
    PERFORM FROM shared.users u WHERE u.id = token.user_id FOR UPDATE;
    SELECT l.value INTO present FROM shared.user_logins l WHERE l.user_id = token.user_id AND l.kind = 'email';
    IF token.purpose = 'email_verification' THEN
        UPDATE shared.user_logins l SET verified_at = coalesce(l.verified_at, moment)
         WHERE l.user_id = token.user_id AND l.kind = 'email';
        RETURN QUERY SELECT 'verified', token.user_id, present, present;
        RETURN;
    END IF;
    UPDATE shared.email_changes c
       SET old_confirmed_at = CASE WHEN token.purpose = 'email_change_old' THEN moment ELSE c.old_confirmed_at END,
           new_confirmed_at = CASE WHEN token.purpose = 'email_change_new' THEN moment ELSE c.new_confirmed_at END
     WHERE c.id = token.change_id AND c.user_id = token.user_id
    RETURNING c.* INTO change;
    IF change.old_confirmed_at IS NULL OR change.new_confirmed_at IS NULL THEN
        RETURN QUERY SELECT 'waiting', token.user_id, present, change.new_email;
        RETURN;
    END IF;
    PERFORM pg_advisory_xact_lock(hashtextextended('email ' || change.new_email, 0));
    DELETE FROM shared.email_changes c WHERE c.id = change.id;
    IF EXISTS (SELECT FROM shared.user_logins l WHERE l.kind = 'email' AND l.value = change.new_email) THEN
        RETURN QUERY SELECT 'taken', token.user_id, present, change.new_email;
        RETURN;
    END IF;
    -- Links that were mailed to the former address are of no use any more.
    UPDATE shared.one_time_tokens t SET consumed_at = moment
     WHERE t.user_id = token.user_id AND t.consumed_at IS NULL;
    DELETE FROM shared.user_logins l WHERE l.user_id = token.user_id AND l.kind = 'email';
    INSERT INTO shared.user_logins (id, user_id, kind, value, verified_at, created_at)
    VALUES (new_login, token.user_id, 'email', change.new_email, moment, moment);
    UPDATE shared.users u SET version = u.version + 1, updated_at = moment WHERE u.id = token.user_id;
    RETURN QUERY SELECT 'changed', token.user_id, present, change.new_email;
END
$function$;

-- A new password ends what somebody who knew the former one has begun.
CREATE FUNCTION shared.end_email_change() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $function$
BEGIN
    DELETE FROM shared.email_changes WHERE user_id = NEW.id;
    RETURN NULL;
END
$function$;
CREATE TRIGGER users_end_email_change AFTER UPDATE OF password_changed_at ON shared.users
    FOR EACH ROW WHEN (OLD.password_changed_at IS DISTINCT FROM NEW.password_changed_at)
    EXECUTE FUNCTION shared.end_email_change();

REVOKE ALL ON FUNCTION
    shared.find_invitation(bytea, uuid, timestamptz),
    shared.accept_invitation(bytea, uuid, uuid, uuid, uuid, text, text, text, timestamptz),
    shared.request_email_change(uuid, text, timestamptz), shared.confirm_email(bytea, uuid, timestamptz),
    shared.erase_user(uuid, timestamptz), shared.erase_own_user(text, timestamptz) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION
    shared.find_invitation(bytea, uuid, timestamptz),
    shared.accept_invitation(bytea, uuid, uuid, uuid, uuid, text, text, text, timestamptz),
    shared.request_email_change(uuid, text, timestamptz), shared.confirm_email(bytea, uuid, timestamptz),
    shared.erase_own_user(text, timestamptz) TO tenantry_shared;
