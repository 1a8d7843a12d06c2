-- Users, apps, roles and memberships. One user may belong to many businesses, with another role in each.
CREATE TABLE shared.users (
    id uuid CONSTRAINT users_pkey PRIMARY KEY,
    full_name text,
    status text NOT NULL CONSTRAINT users_status_check CHECK (status IN ('active', 'disabled')),
    -- bcrypt over a keyed hash; no role but the tables' owner can read it.
    password_hash text,
    password_changed_at timestamptz,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL
);

-- What a user signs in with. An email is one platform-wide; room is left for names within one business.
CREATE TABLE shared.user_logins (
    id uuid CONSTRAINT user_logins_pkey PRIMARY KEY,
    user_id uuid NOT NULL CONSTRAINT user_logins_user_id_fkey REFERENCES shared.users (id) ON DELETE CASCADE,
    kind text NOT NULL CONSTRAINT user_logins_kind_check CHECK (kind IN ('email', 'username')),
    tenant_id uuid CONSTRAINT user_logins_tenant_id_fkey REFERENCES shared.tenants (id) ON DELETE CASCADE,
    value text NOT NULL CONSTRAINT user_logins_value_check CHECK (value = lower(value)),
    created_at timestamptz NOT NULL,
    CONSTRAINT user_logins_scope_check CHECK ((kind = 'email') = (tenant_id IS NULL)),
    CONSTRAINT user_logins_kind_tenant_id_value_key UNIQUE NULLS NOT DISTINCT (kind, tenant_id, value)
);
CREATE INDEX user_logins_user_id_idx ON shared.user_logins (user_id);
CREATE INDEX user_logins_tenant_id_idx ON shared.user_logins (tenant_id);

CREATE TABLE shared.apps (
    slug text CONSTRAINT apps_pkey PRIMARY KEY,
    name text NOT NULL,
    description text NOT NULL
);

CREATE TABLE shared.permissions (
    app text NOT NULL CONSTRAINT permissions_app_fkey REFERENCES shared.apps (slug),
    key text NOT NULL,
    CONSTRAINT permissions_pkey PRIMARY KEY (app, key)
);

-- The presets of each app; roles of a business's own come with a tenant column of their own later.
CREATE TABLE shared.roles (
    app text NOT NULL CONSTRAINT roles_app_fkey REFERENCES shared.apps (slug),
    key text NOT NULL,
    CONSTRAINT roles_pkey PRIMARY KEY (app, key)
);

CREATE TABLE shared.role_permissions (
    app text NOT NULL,
    role text NOT NULL,
    permission text NOT NULL,
    CONSTRAINT role_permissions_pkey PRIMARY KEY (app, role, permission),
    CONSTRAINT role_permissions_role_fkey FOREIGN KEY (app, role) REFERENCES shared.roles (app, key),
    CONSTRAINT role_permissions_permission_fkey FOREIGN KEY (app, permission) REFERENCES shared.permissions (app, key)
);

-- tenant_id is null for the platform's own app only.
CREATE TABLE shared.memberships (
    id uuid CONSTRAINT memberships_pkey PRIMARY KEY,
    user_id uuid NOT NULL CONSTRAINT memberships_user_id_fkey REFERENCES shared.users (id) ON DELETE CASCADE,
    app text NOT NULL CONSTRAINT memberships_app_fkey REFERENCES shared.apps (slug),
    tenant_id uuid CONSTRAINT memberships_tenant_id_fkey REFERENCES shared.tenants (id) ON DELETE CASCADE,
    status text NOT NULL CONSTRAINT memberships_status_check CHECK (status IN ('invited', 'active', 'suspended')),
    -- Counted up by every change, and carried in tokens.
    version integer NOT NULL DEFAULT 1,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    CONSTRAINT memberships_scope_check CHECK ((app = 'platform') = (tenant_id IS NULL)),
    CONSTRAINT memberships_id_app_key UNIQUE (id, app),
    CONSTRAINT memberships_user_id_app_tenant_id_key UNIQUE NULLS NOT DISTINCT (user_id, app, tenant_id)
);
CREATE INDEX memberships_tenant_id_idx ON shared.memberships (tenant_id);

-- The app stands in both foreign keys, so a role of one app cannot be attached to a membership of another.
CREATE TABLE shared.membership_roles (
    membership_id uuid NOT NULL,
    app text NOT NULL,
    role text NOT NULL,
    CONSTRAINT membership_roles_pkey PRIMARY KEY (membership_id, role),
    CONSTRAINT membership_roles_membership_fkey FOREIGN KEY (membership_id, app)
        REFERENCES shared.memberships (id, app) ON DELETE CASCADE,
    CONSTRAINT membership_roles_role_fkey FOREIGN KEY (app, role) REFERENCES shared.roles (app, key)
);

ALTER TABLE shared.users ENABLE ROW LEVEL SECURITY;
ALTER TABLE shared.user_logins ENABLE ROW LEVEL SECURITY;
ALTER TABLE shared.memberships ENABLE ROW LEVEL SECURITY;
ALTER TABLE shared.membership_roles ENABLE ROW LEVEL SECURITY;
CREATE POLICY users_self ON shared.users TO tenantry_shared
    USING (id = nullif(current_setting('tenantry.user', true), '')::uuid);
CREATE POLICY users_platform ON shared.users TO tenantry_platform USING (true);
CREATE POLICY user_logins_self ON shared.user_logins TO tenantry_shared
    USING (user_id = nullif(current_setting('tenantry.user', true), '')::uuid);
CREATE POLICY user_logins_platform ON shared.user_logins TO tenantry_platform USING (true);
CREATE POLICY memberships_own ON shared.memberships TO tenantry_shared
    USING (user_id = nullif(current_setting('tenantry.user', true), '')::uuid
           OR tenant_id = nullif(current_setting('tenantry.tenant', true), '')::uuid);
CREATE POLICY memberships_platform ON shared.memberships TO tenantry_platform USING (true);
-- Row level security of memberships applies inside the sub-select too.
CREATE POLICY membership_roles_own ON shared.membership_roles TO tenantry_shared
    USING (membership_id IN (SELECT id FROM shared.memberships));
CREATE POLICY membership_roles_platform ON shared.membership_roles TO tenantry_platform USING (true);

GRANT SELECT (id, full_name, status, password_changed_at, created_at, updated_at) ON shared.users
   TO tenantry_shared, tenantry_platform;
GRANT SELECT ON shared.user_logins, shared.memberships, shared.membership_roles TO tenantry_shared, tenantry_platform;
-- Written by the owner's login alone: who serves requests makes no users and gives no roles.
GRANT SELECT ON shared.apps, shared.permissions, shared.roles, shared.role_permissions
   TO tenantry_shared, tenantry_platform;

INSERT INTO shared.apps (slug, name, description) VALUES
    ('inventory', 'Inventory', 'Catalogue, stock, orders and purchasing of a business'),
    ('pos', 'Point of sale', 'The till of a business'),
    ('platform', 'Platform', 'The operator''s own work: businesses, users, backups');

INSERT INTO shared.permissions (app, key) VALUES
    ('inventory', 'catalogue.read'), ('inventory', 'catalogue.write'),
    ('inventory', 'stock.read'), ('inventory', 'stock.adjust'), ('inventory', 'stock.transfer'),
    ('inventory', 'stock.count'),
    ('inventory', 'orders.read'), ('inventory', 'orders.place'), ('inventory', 'orders.cancel'),
    ('inventory', 'orders.return'),
    ('inventory', 'purchasing.receive'), ('inventory', 'purchasing.write'),
    ('inventory', 'dashboard.read'), ('inventory', 'reports.read'),
    ('inventory', 'team.manage'), ('inventory', 'settings.write'), ('inventory', 'data.export'),
    ('inventory', 'audit.read'),
    ('platform', 'tenants.read'), ('platform', 'tenants.write');

INSERT INTO shared.roles (app, key) VALUES
    ('inventory', 'OWNER'), ('inventory', 'MANAGER'), ('inventory', 'STAFF'),
    ('platform', 'super_admin'), ('platform', 'support');

INSERT INTO shared.role_permissions (app, role, permission)
SELECT 'inventory', role, permission
  FROM (VALUES ('catalogue.read'), ('stock.read'), ('orders.read'), ('orders.place'), ('purchasing.receive'),
               ('dashboard.read')) AS staff (permission)
 CROSS JOIN (VALUES ('STAFF'), ('MANAGER'), ('OWNER')) AS at_least_staff (role)
 UNION ALL
SELECT 'inventory', role, permission
  FROM (VALUES ('catalogue.write'), ('stock.adjust'), ('stock.transfer'), ('stock.count'), ('orders.cancel'),
               ('orders.return'), ('purchasing.write'), ('reports.read')) AS manager (permission)
 CROSS JOIN (VALUES ('MANAGER'), ('OWNER')) AS at_least_manager (role)
 UNION ALL
SELECT 'inventory', 'OWNER', permission
  FROM (VALUES ('team.manage'), ('settings.write'), ('data.export'), ('audit.read')) AS owner (permission)
 UNION ALL
VALUES ('platform', 'super_admin', 'tenants.read'), ('platform', 'super_admin', 'tenants.write'),
       ('platform', 'support', 'tenants.read');

-- What has to be read before anyone is signed in: one user's credentials, and what he may do in one place.
-- No row: no such login. No membership_id: no active membership there.
CREATE FUNCTION shared.find_credentials(wanted_email text, wanted_app text, wanted_tenant uuid)
RETURNS TABLE (user_id uuid, full_name text, email text, password_hash text, user_status text,
               membership_id uuid, membership_version integer, roles text[], permissions text[])
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $function$
    SELECT u.id, u.full_name, l.value, u.password_hash, u.status, m.id, m.version,
           ARRAY(SELECT mr.role FROM shared.membership_roles mr WHERE mr.membership_id = m.id ORDER BY mr.role),
           ARRAY(SELECT DISTINCT rp.permission
                   FROM shared.membership_roles mr
                   JOIN shared.role_permissions rp ON rp.app = mr.app AND rp.role = mr.role
                  WHERE mr.membership_id = m.id
                  ORDER BY rp.permission)
      FROM shared.user_logins l
      JOIN shared.users u ON u.id = l.user_id
      LEFT JOIN shared.memberships m
             ON m.user_id = u.id AND m.app = wanted_app AND m.status = 'active'
            AND m.tenant_id IS NOT DISTINCT FROM wanted_tenant
     WHERE l.kind = 'email' AND l.tenant_id IS NULL AND l.value = wanted_email
$function$;
REVOKE ALL ON FUNCTION shared.find_credentials(text, text, uuid) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION shared.find_credentials(text, text, uuid) TO tenantry_shared;
