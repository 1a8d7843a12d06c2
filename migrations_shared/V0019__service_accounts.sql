-- Programs that get access tokens with a client id and a secret of their own (RFC 6749), and what each business allows
-- them.
CREATE TABLE shared.oauth_clients (
    id text CONSTRAINT oauth_clients_pkey PRIMARY KEY
        CONSTRAINT oauth_clients_id_check CHECK (id ~ '^[a-z][a-z0-9-]{1,38}[a-z0-9]$'),
    -- The app whose tokens the program gets.
    app text NOT NULL CONSTRAINT oauth_clients_app_fkey REFERENCES shared.apps (slug) ON DELETE CASCADE,
    name text NOT NULL,
    -- The beginning of the secret, by which people recognise it. Of the secret itself, only the hash is stored.
    prefix text NOT NULL,
    hash bytea NOT NULL CONSTRAINT oauth_clients_hash_key UNIQUE,
    -- The former secret, which is valid for some time after a rotation.
    previous_hash bytea CONSTRAINT oauth_clients_previous_hash_key UNIQUE,
    previous_expires_at timestamptz,
    created_at timestamptz NOT NULL,
    rotated_at timestamptz
);
CREATE INDEX oauth_clients_app_idx ON shared.oauth_clients (app);

CREATE TABLE shared.service_accounts (
    id uuid CONSTRAINT service_accounts_pkey PRIMARY KEY,
    client_id text NOT NULL
        CONSTRAINT service_accounts_client_id_fkey REFERENCES shared.oauth_clients (id) ON DELETE CASCADE,
    tenant_id uuid NOT NULL
        CONSTRAINT service_accounts_tenant_id_fkey REFERENCES shared.tenants (id) ON DELETE CASCADE,
    -- Keys of permissions of the program's app.
    permissions text[] NOT NULL,
    -- The member whose permissions limit those of the account. Null: the operator made it.
    user_id uuid CONSTRAINT service_accounts_user_id_fkey REFERENCES shared.users (id) ON DELETE CASCADE,
    -- The member has left the business since, perhaps to come back. Only another change makes the account active again.
    member_left boolean NOT NULL DEFAULT false,
    -- Counts the changes of what the account may do; tokens carry it.
    version integer NOT NULL DEFAULT 1,
    last_used_at timestamptz,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    CONSTRAINT service_accounts_tenant_id_client_id_key UNIQUE (tenant_id, client_id)
);
CREATE INDEX service_accounts_client_id_idx ON shared.service_accounts (client_id);
CREATE INDEX service_accounts_user_id_idx ON shared.service_accounts (user_id);

ALTER TABLE shared.service_accounts ENABLE ROW LEVEL SECURITY;
CREATE POLICY service_accounts_own ON shared.service_accounts TO tenantry_shared
    USING (tenant_id = nullif(current_setting('tenantry.tenant', true), '')::uuid);
CREATE POLICY service_accounts_platform ON shared.service_accounts FOR SELECT TO tenantry_platform USING (true);
GRANT SELECT (id, app, name) ON shared.oauth_clients TO tenantry_shared;
GRANT SELECT ON shared.oauth_clients TO tenantry_platform;
GRANT SELECT, INSERT, DELETE ON shared.service_accounts TO tenantry_shared;
GRANT UPDATE (permissions, user_id, member_left, version, updated_at) ON shared.service_accounts TO tenantry_shared;
GRANT SELECT ON shared.service_accounts TO tenantry_platform;

-- The app of a program that presents its secret, with its account at a business, and what the account may do now. No
-- row: the program is unknown, or the secret is wrong. The account is null if there is none.
CREATE FUNCTION shared.open_service_account(wanted_client text, presented bytea, at_tenant uuid, moment timestamptz)
RETURNS TABLE (app text, account_id uuid, version integer, permissions text[])
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $function$
#variable_conflict use_column
DECLARE
    client record;
    account record;
BEGIN
    SELECT c.* INTO client FROM shared.oauth_clients c
     WHERE c.id = wanted_client
       AND (c.hash = presented OR c.previous_hash = presented AND c.previous_expires_at > moment);
    IF NOT FOUND THEN
        RETURN;
    END IF;
    SELECT a.* INTO account FROM shared.service_accounts a
     WHERE a.client_id = wanted_client AND a.tenant_id = at_tenant AND NOT a.member_left
       AND (a.user_id IS NULL OR shared.is_active_member(a.user_id, at_tenant));
    IF NOT FOUND THEN
        RETURN QUERY SELECT client.app, NULL::uuid, NULL::integer, NULL::text[];
        RETURN;
    END IF;
    UPDATE shared.service_accounts a SET last_used_at = moment
     WHERE a.id IN (SELECT id FROM shared.service_accounts WHERE id = account.id FOR NO KEY UPDATE SKIP LOCKED);
    RETURN QUERY
    SELECT client.app, account.id, account.version,
           shared.held_permissions(account.permissions, client.app, account.user_id, at_tenant);
END
$function$;
REVOKE ALL ON FUNCTION shared.open_service_account(text, bytea, uuid, timestamptz) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION shared.open_service_account(text, bytea, uuid, timestamptz) TO tenantry_shared;

-- Each change of an account revokes its tokens: no code can forget it.
CREATE FUNCTION shared.revoke_service_account() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $function$
BEGIN
    IF TG_OP = 'DELETE' THEN
        INSERT INTO shared.revocations (session_id, revoked_at) VALUES (OLD.id, clock_timestamp());
    ELSE
        INSERT INTO shared.revocations (session_id, valid_from, revoked_at)
        VALUES (NEW.id, NEW.version, clock_timestamp());
    END IF;
    RETURN NULL;
END
$function$;
CREATE TRIGGER service_accounts_revoke_changed AFTER UPDATE OF version ON shared.service_accounts
    FOR EACH ROW EXECUTE FUNCTION shared.revoke_service_account();
CREATE TRIGGER service_accounts_revoke_deleted AFTER DELETE ON shared.service_accounts
    FOR EACH ROW EXECUTE FUNCTION shared.revoke_service_account();

CREATE FUNCTION shared.count_service_account_changes() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $function$
DECLARE
    of_user uuid := CASE TG_TABLE_NAME WHEN 'users' THEN (to_jsonb(OLD) ->> 'id')::uuid
                    ELSE (to_jsonb(OLD) ->> 'user_id')::uuid END;
    -- Null: at every business.
    at_tenant uuid := (to_jsonb(OLD) ->> 'tenant_id')::uuid;
BEGIN
    IF TG_TABLE_NAME = 'memberships' AND at_tenant IS NULL THEN
        RETURN NULL;
    END IF;
    UPDATE shared.service_accounts a
       SET version = a.version + 1,
           member_left = a.member_left
                      OR TG_OP = 'DELETE' AND NOT EXISTS (SELECT FROM shared.memberships m
                                                           WHERE m.user_id = of_user AND m.tenant_id = a.tenant_id)
     WHERE a.user_id = of_user AND (at_tenant IS NULL OR a.tenant_id = at_tenant);
    RETURN NULL;
END
$function$;
CREATE TRIGGER memberships_count_service_accounts AFTER UPDATE ON shared.memberships
    FOR EACH ROW WHEN (OLD.version <> NEW.version) EXECUTE FUNCTION shared.count_service_account_changes();
CREATE TRIGGER memberships_deleted_count_service_accounts AFTER DELETE ON shared.memberships
    FOR EACH ROW EXECUTE FUNCTION shared.count_service_account_changes();
CREATE TRIGGER users_count_service_accounts AFTER UPDATE OF status ON shared.users
    FOR EACH ROW WHEN (OLD.status <> NEW.status) EXECUTE FUNCTION shared.count_service_account_changes();

-- Whether the access tokens of a session or a service account, signed by a key, are valid, for a server that may have
-- missed announcements.
CREATE OR REPLACE FUNCTION shared.find_session(wanted uuid, used_key text)
RETURNS TABLE (is_live boolean, membership_version integer)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $function$
    SELECT s.revoked_at IS NULL AND m.status = 'active' AND u.status = 'active'
           AND EXISTS (SELECT FROM shared.signing_keys k WHERE k.id = used_key AND k.state <> 'revoked'),
           m.version
      FROM shared.sessions s
      JOIN shared.memberships m ON m.id = s.membership_id
      JOIN shared.users u ON u.id = s.user_id
     WHERE s.id = wanted
     UNION ALL
    SELECT EXISTS (SELECT FROM shared.signing_keys k WHERE k.id = used_key AND k.state <> 'revoked'), a.version
      FROM shared.service_accounts a
     WHERE a.id = wanted
$function$;
