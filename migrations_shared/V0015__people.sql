-- People as a business and the operator see them: the team of a business, profiles, and accounts that are closed.

ALTER TABLE shared.users
    -- Counts the changes of the profile.
    ADD COLUMN version integer NOT NULL DEFAULT 1;
-- The name as it is searched: without accents and letter case.
-- reason: one row for each person.
ALTER TABLE shared.users
    ADD COLUMN search_text text GENERATED ALWAYS AS (
        replace(replace(replace(translate(
            regexp_replace(lower(normalize(full_name, NFKD)), '[\u0300-\u036f]', '', 'g'),
            'øłđħŧı', 'oldhti'), 'æ', 'ae'), 'œ', 'oe'), 'ß', 'ss')) STORED;
-- reason: one row for each person.
CREATE INDEX users_search_text_idx ON shared.users USING gin (search_text extensions.gin_trgm_ops)
    WITH (fastupdate = off);
-- reason: one row for each login of a person.
CREATE INDEX user_logins_value_idx ON shared.user_logins USING gin (value extensions.gin_trgm_ops)
    WITH (fastupdate = off);
-- reason: one row for each member of a business.
CREATE INDEX memberships_app_tenant_id_idx ON shared.memberships (app, tenant_id);
-- reason: one row for each event of the retention.
CREATE INDEX auth_events_actor_id_idx ON shared.auth_events (actor_id, id);

GRANT SELECT (version, search_text) ON shared.users TO tenantry_shared, tenantry_platform;
-- People change their own profile.
GRANT UPDATE (full_name, phone, locale, version, updated_at) ON shared.users TO tenantry_shared;

-- A business sees its members: their names, their emails, and their usernames at this business.
CREATE POLICY users_of_business ON shared.users FOR SELECT TO tenantry_shared
    USING (id IN (SELECT user_id FROM shared.memberships
                   WHERE tenant_id = nullif(current_setting('tenantry.tenant', true), '')::uuid));
CREATE POLICY user_logins_of_business ON shared.user_logins FOR SELECT TO tenantry_shared
    USING ((tenant_id IS NULL OR tenant_id = nullif(current_setting('tenantry.tenant', true), '')::uuid)
           AND user_id IN (SELECT user_id FROM shared.memberships
                            WHERE tenant_id = nullif(current_setting('tenantry.tenant', true), '')::uuid));
-- People see their own mails, and the platform's staff may read who signed in.
CREATE POLICY mails_own ON shared.mails FOR SELECT TO tenantry_shared
    USING (address IN (SELECT value FROM shared.user_logins
                        WHERE kind = 'email'
                          AND user_id = nullif(current_setting('tenantry.user', true), '')::uuid));
GRANT SELECT ON shared.mails TO tenantry_shared;

-- Makes an account that belongs to the business of the transaction: its user signs in there, with a username alone.
CREATE FUNCTION shared.create_staff_account(
    new_user uuid, new_login uuid, its_username text, its_name text, its_hash text, its_key text, must_change boolean,
    moment timestamptz) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $function$
DECLARE
    business uuid := nullif(current_setting('tenantry.tenant', true), '')::uuid;
BEGIN
    IF business IS NULL THEN
        RAISE EXCEPTION 'no business is set' USING ERRCODE = 'insufficient_privilege';
    END IF;
    INSERT INTO shared.users (id, full_name, status, password_hash, password_key, password_changed_at,
                              must_change_password, created_at, updated_at)
    VALUES (new_user, its_name, 'active', its_hash, its_key, moment, must_change, moment, moment);
    INSERT INTO shared.user_logins (id, user_id, kind, tenant_id, value, created_at)
    VALUES (new_login, new_user, 'username', business, its_username, moment);
END
$function$;

-- Whether an account belongs to the business of the transaction: it has no login and no membership anywhere else.
CREATE FUNCTION shared.is_staff_account(of_user uuid) RETURNS boolean
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $function$
    SELECT nullif(current_setting('tenantry.tenant', true), '') IS NOT NULL
       AND EXISTS (SELECT FROM shared.user_logins WHERE user_id = of_user)
       AND NOT EXISTS (
            SELECT FROM (SELECT tenant_id FROM shared.user_logins WHERE user_id = of_user
                          UNION ALL
                         SELECT tenant_id FROM shared.memberships WHERE user_id = of_user) AS place
             WHERE tenant_id IS DISTINCT FROM nullif(current_setting('tenantry.tenant', true), '')::uuid)
$function$;

-- Sets the password of an account that belongs to the business of the transaction.
CREATE FUNCTION shared.set_staff_password(
    of_user uuid, new_hash text, new_key text, must_change boolean, moment timestamptz) RETURNS boolean
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $function$
    WITH changed AS (
        UPDATE shared.users
           SET password_hash = new_hash, password_key = new_key, must_change_password = must_change,
               password_changed_at = moment, updated_at = moment
         WHERE id = of_user AND status = 'active' AND shared.is_staff_account(of_user) RETURNING 1)
    SELECT EXISTS (SELECT FROM changed)
$function$;

-- Whether a business knows a person: as a member, whatever the status.
CREATE FUNCTION shared.is_known_at(of_user uuid, at_tenant uuid) RETURNS boolean
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $function$
    SELECT EXISTS (SELECT FROM shared.memberships WHERE user_id = of_user AND tenant_id = at_tenant)
$function$;

-- A business makes members of its own accounts and of those who are members already. Others accept an invitation.
CREATE POLICY memberships_of_own ON shared.memberships AS RESTRICTIVE FOR INSERT TO tenantry_shared
    WITH CHECK (shared.is_staff_account(user_id)
                OR shared.is_known_at(user_id, tenant_id));

-- A deleted account gets no membership and no login again. It may have been deleted a moment ago, so this waits.
CREATE FUNCTION shared.refuse_deleted_user() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $function$
BEGIN
    PERFORM FROM shared.users WHERE id = NEW.user_id AND status <> 'deleted' FOR SHARE;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'there is no user %, or the account was deleted', NEW.user_id
              USING ERRCODE = 'check_violation', CONSTRAINT = 'users_not_deleted';
    END IF;
    RETURN NEW;
END
$function$;
CREATE TRIGGER memberships_refuse_deleted BEFORE INSERT ON shared.memberships
    FOR EACH ROW EXECUTE FUNCTION shared.refuse_deleted_user();
CREATE TRIGGER user_logins_refuse_deleted BEFORE INSERT ON shared.user_logins
    FOR EACH ROW EXECUTE FUNCTION shared.refuse_deleted_user();

-- A username is of use to a member of its business alone. When the last membership there goes, the name is free again.
CREATE FUNCTION shared.free_username() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $function$
BEGIN
    DELETE FROM shared.user_logins l
     WHERE l.user_id = OLD.user_id AND l.kind = 'username' AND l.tenant_id = OLD.tenant_id
       AND NOT EXISTS (SELECT FROM shared.memberships m
                        WHERE m.user_id = OLD.user_id AND m.tenant_id = OLD.tenant_id);
    RETURN NULL;
END
$function$;
CREATE TRIGGER memberships_free_username AFTER DELETE ON shared.memberships
    FOR EACH ROW WHEN (OLD.tenant_id IS NOT NULL) EXECUTE FUNCTION shared.free_username();

REVOKE ALL ON FUNCTION
    shared.create_staff_account(uuid, uuid, text, text, text, text, boolean, timestamptz),
    shared.is_known_at(uuid, uuid), shared.is_staff_account(uuid),
    shared.set_staff_password(uuid, text, text, boolean, timestamptz) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION
    shared.create_staff_account(uuid, uuid, text, text, text, text, boolean, timestamptz),
    shared.is_known_at(uuid, uuid), shared.is_staff_account(uuid),
    shared.set_staff_password(uuid, text, text, boolean, timestamptz) TO tenantry_shared;

-- What this release adds to the apps that come with the program.
ALTER FUNCTION shared.ensure_built_in_apps() RENAME TO ensure_first_built_in_apps;
CREATE FUNCTION shared.ensure_built_in_apps() RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $function$
BEGIN
    PERFORM shared.ensure_first_built_in_apps();
    INSERT INTO shared.permissions (app, key, description) VALUES
        ('platform', 'users.read', 'Read users with their memberships, sessions and authentication events'),
        ('platform', 'users.write', 'Create, change, disable and delete users, and change memberships')
        ON CONFLICT (app, key) DO UPDATE SET description = EXCLUDED.description;
    INSERT INTO shared.role_permissions (app, role, permission_app, permission) VALUES
        ('platform', 'super_admin', 'platform', 'users.read'),
        ('platform', 'super_admin', 'platform', 'users.write'),
        ('platform', 'support', 'platform', 'users.read')
        ON CONFLICT (app, role_scope, role, permission) DO NOTHING;
END
$function$;
REVOKE ALL ON FUNCTION shared.ensure_built_in_apps() FROM PUBLIC;
SELECT shared.ensure_built_in_apps();
