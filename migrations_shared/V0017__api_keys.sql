-- API keys: with one, a program works in a business without a person who signs in.
CREATE TABLE shared.api_keys (
    id uuid CONSTRAINT api_keys_pkey PRIMARY KEY,
    tenant_id uuid NOT NULL CONSTRAINT api_keys_tenant_id_fkey REFERENCES shared.tenants (id) ON DELETE CASCADE,
    name text NOT NULL,
    -- Keys of permissions of the app `inventory`.
    permissions text[] NOT NULL,
    -- The member whose permissions limit those of the key. Null: the operator made it.
    user_id uuid CONSTRAINT api_keys_user_id_fkey REFERENCES shared.users (id) ON DELETE CASCADE,
    -- The beginning of the secret, by which people recognise it. Of the secret itself, only the hash is stored.
    prefix text NOT NULL,
    hash bytea NOT NULL CONSTRAINT api_keys_hash_key UNIQUE,
    last_used_at timestamptz,
    -- The member has left the business since, perhaps to come back. Only a rotation makes the key valid again.
    member_left boolean NOT NULL DEFAULT false,
    -- The former secret, which is valid for some time after a rotation, and does no more than the former member may.
    previous_prefix text,
    previous_hash bytea CONSTRAINT api_keys_previous_hash_key UNIQUE,
    previous_user_id uuid
        CONSTRAINT api_keys_previous_user_id_fkey REFERENCES shared.users (id),
    previous_expires_at timestamptz,
    previous_last_used_at timestamptz,
    -- Counts the rotations.
    version integer NOT NULL DEFAULT 1,
    created_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    rotated_at timestamptz,
    revoked_at timestamptz
);
CREATE UNIQUE INDEX api_keys_name_key ON shared.api_keys (tenant_id, lower(name)) WHERE revoked_at IS NULL;
CREATE INDEX api_keys_tenant_id_idx ON shared.api_keys (tenant_id, id);
CREATE INDEX api_keys_user_id_idx ON shared.api_keys (user_id);
CREATE INDEX api_keys_previous_user_id_idx ON shared.api_keys (previous_user_id);

ALTER TABLE shared.api_keys ENABLE ROW LEVEL SECURITY;
CREATE POLICY api_keys_own ON shared.api_keys TO tenantry_shared
    USING (tenant_id = nullif(current_setting('tenantry.tenant', true), '')::uuid);
CREATE POLICY api_keys_platform ON shared.api_keys FOR SELECT TO tenantry_platform USING (true);
GRANT SELECT, INSERT ON shared.api_keys TO tenantry_shared;
GRANT UPDATE (user_id, prefix, hash, last_used_at, member_left, previous_prefix, previous_hash, previous_user_id,
              previous_expires_at, previous_last_used_at, version, expires_at, rotated_at, revoked_at)
   ON shared.api_keys TO tenantry_shared;
GRANT SELECT ON shared.api_keys TO tenantry_platform;

-- Whether a user is an active member of a business.
CREATE FUNCTION shared.is_active_member(of_user uuid, at_tenant uuid) RETURNS boolean
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $function$
    SELECT EXISTS (SELECT FROM shared.users u
                     JOIN shared.memberships m ON m.user_id = u.id AND m.tenant_id = at_tenant AND m.status = 'active'
                    WHERE u.id = of_user AND u.status = 'active')
$function$;

-- Those of the wanted permissions of an app that a member of a business has now. An owner has all. Null: the operator,
-- who has all.
CREATE FUNCTION shared.held_permissions(wanted text[], of_app text, of_user uuid, at_tenant uuid) RETURNS text[]
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $function$
    SELECT ARRAY(
        SELECT a.permission
          FROM shared.app_permissions a
         WHERE a.app = of_app AND a.permission = ANY (wanted)
           AND (of_user IS NULL
                OR EXISTS (SELECT FROM shared.memberships m
                             JOIN shared.membership_roles r ON r.membership_id = m.id
                             LEFT JOIN shared.role_permissions p
                               ON p.app = r.app AND p.role_scope = r.role_scope AND p.role = r.role
                              AND p.permission_app = a.owner_app AND p.permission = a.permission
                            WHERE m.user_id = of_user AND m.tenant_id = at_tenant AND m.status = 'active'
                              AND (p.permission IS NOT NULL OR r.app = 'inventory' AND r.role = 'OWNER')))
         ORDER BY a.permission)
$function$;

-- The API key of a secret that is valid at a business, with what it may do now: no more than its member may. Notes when
-- it was used, to the minute. No row: the secret is not valid.
CREATE FUNCTION shared.use_api_key(presented bytea, at_tenant uuid, moment timestamptz)
RETURNS TABLE (id uuid, permissions text[], valid_until timestamptz)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $function$
#variable_conflict use_column
DECLARE
    key record;
    is_former boolean;
    of_user uuid;
BEGIN
    SELECT k.* INTO key FROM shared.api_keys k
     WHERE (k.hash = presented OR k.previous_hash = presented AND k.previous_expires_at > moment)
       AND k.tenant_id = at_tenant AND k.revoked_at IS NULL AND k.expires_at > moment;
    is_former := key.hash <> presented;
    of_user := CASE WHEN is_former THEN key.previous_user_id ELSE key.user_id END;
    IF NOT FOUND OR key.member_left AND NOT is_former
       OR of_user IS NOT NULL AND NOT shared.is_active_member(of_user, at_tenant) THEN
        RETURN;
    END IF;
    IF moment - interval '1 minute'
       > coalesce(CASE WHEN is_former THEN key.previous_last_used_at ELSE key.last_used_at END, '-infinity') THEN
        -- A request does not wait for somebody who changes the key.
        UPDATE shared.api_keys k
           SET last_used_at = CASE WHEN is_former THEN k.last_used_at ELSE moment END,
               previous_last_used_at = CASE WHEN is_former THEN moment ELSE k.previous_last_used_at END
         WHERE k.id IN (SELECT id FROM shared.api_keys WHERE id = key.id AND hash = key.hash
                           FOR NO KEY UPDATE SKIP LOCKED);
    END IF;
    RETURN QUERY
    SELECT key.id, shared.held_permissions(key.permissions, 'inventory', of_user, at_tenant),
           CASE WHEN is_former THEN least(key.expires_at, key.previous_expires_at) ELSE key.expires_at END;
END
$function$;
REVOKE ALL ON FUNCTION
    shared.is_active_member(uuid, uuid), shared.held_permissions(text[], text, uuid, uuid),
    shared.use_api_key(bytea, uuid, timestamptz) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION shared.is_active_member(uuid, uuid), shared.use_api_key(bytea, uuid, timestamptz)
    TO tenantry_shared;
GRANT EXECUTE ON FUNCTION shared.is_active_member(uuid, uuid) TO tenantry_platform;

-- Servers keep the permissions of API keys in memory. Each change of them is announced: no code can forget it.
CREATE FUNCTION shared.announce_api_keys() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $function$
DECLARE
    of_user uuid := CASE TG_TABLE_NAME WHEN 'users' THEN (to_jsonb(OLD) ->> 'id')::uuid
                    ELSE (to_jsonb(OLD) ->> 'user_id')::uuid END;
BEGIN
    IF TG_TABLE_NAME = 'api_keys'
       OR EXISTS (SELECT FROM shared.api_keys k
                   WHERE (k.user_id = of_user OR k.previous_user_id = of_user) AND k.revoked_at IS NULL) THEN
        PERFORM pg_notify('tenantry_revocations', 'api_keys');
    END IF;
    RETURN NULL;
END
$function$;
CREATE TRIGGER api_keys_announce_change
    AFTER UPDATE OF permissions, user_id, member_left, hash, previous_hash, previous_expires_at, expires_at, revoked_at
    ON shared.api_keys FOR EACH ROW EXECUTE FUNCTION shared.announce_api_keys();
CREATE TRIGGER api_keys_announce_deletion AFTER DELETE ON shared.api_keys
    FOR EACH ROW EXECUTE FUNCTION shared.announce_api_keys();
CREATE TRIGGER memberships_announce_api_keys AFTER UPDATE ON shared.memberships
    FOR EACH ROW WHEN (OLD.version <> NEW.version) EXECUTE FUNCTION shared.announce_api_keys();
CREATE TRIGGER memberships_deleted_announce_api_keys AFTER DELETE ON shared.memberships
    FOR EACH ROW EXECUTE FUNCTION shared.announce_api_keys();
CREATE TRIGGER users_announce_api_keys AFTER UPDATE OF status ON shared.users
    FOR EACH ROW WHEN (OLD.status <> NEW.status) EXECUTE FUNCTION shared.announce_api_keys();

-- Somebody who leaves a business and comes back does not find the keys of then at work.
CREATE FUNCTION shared.leave_api_keys() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $function$
BEGIN
    IF NOT EXISTS (SELECT FROM shared.memberships WHERE user_id = OLD.user_id AND tenant_id = OLD.tenant_id) THEN
        UPDATE shared.api_keys SET member_left = true WHERE user_id = OLD.user_id AND tenant_id = OLD.tenant_id;
        UPDATE shared.api_keys SET previous_expires_at = least(previous_expires_at, clock_timestamp())
         WHERE previous_user_id = OLD.user_id AND tenant_id = OLD.tenant_id;
    END IF;
    RETURN NULL;
END
$function$;
CREATE TRIGGER memberships_leave_api_keys AFTER DELETE ON shared.memberships
    FOR EACH ROW WHEN (OLD.tenant_id IS NOT NULL) EXECUTE FUNCTION shared.leave_api_keys();

-- What this release adds to the apps that come with the program.
ALTER FUNCTION shared.ensure_built_in_apps() RENAME TO ensure_second_built_in_apps;
CREATE FUNCTION shared.ensure_built_in_apps() RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $function$
BEGIN
    PERFORM shared.ensure_second_built_in_apps();
    INSERT INTO shared.permissions (app, key, description) VALUES
        ('inventory', 'api_keys.manage', 'Make, rotate and revoke API keys')
        ON CONFLICT (app, key) DO UPDATE SET description = EXCLUDED.description;
    INSERT INTO shared.role_permissions (app, role, permission_app, permission) VALUES
        ('inventory', 'OWNER', 'inventory', 'api_keys.manage')
        ON CONFLICT (app, role_scope, role, permission) DO NOTHING;
END
$function$;
REVOKE ALL ON FUNCTION shared.ensure_built_in_apps() FROM PUBLIC;
SELECT shared.ensure_built_in_apps();
