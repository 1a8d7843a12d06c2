-- Apps with permissions and roles of their own, roles of a business's own, and names to sign in with that are unique
-- within one business.

-- Null is no key, so `scope` stands for the business in keys: its id, or 0 for rows of no business.

ALTER TABLE shared.apps
    -- Whether a membership of the app belongs to one business. False: it belongs to the user alone.
    ADD COLUMN has_businesses boolean NOT NULL DEFAULT true,
    -- Built-in apps come with the program; an operator cannot change them.
    ADD COLUMN is_built_in boolean NOT NULL DEFAULT false,
    ADD COLUMN version integer NOT NULL DEFAULT 1;
-- reason: there are a handful of apps.
UPDATE shared.apps SET has_businesses = slug <> 'platform', is_built_in = true;
-- reason: there are a handful of apps.
ALTER TABLE shared.apps ADD CONSTRAINT apps_slug_has_businesses_key UNIQUE (slug, has_businesses);
-- reason: there are a handful of apps.
ALTER TABLE shared.apps ADD CONSTRAINT apps_slug_check CHECK (slug ~ '^[a-z][a-z0-9-]{1,38}[a-z0-9]$');

ALTER TABLE shared.permissions
    ADD COLUMN description text NOT NULL DEFAULT '';
-- reason: there are a handful of permissions. Tokens separate keys by spaces.
ALTER TABLE shared.permissions ADD CONSTRAINT permissions_key_check CHECK (key ~ '^[a-z][a-z0-9._:-]{0,79}$');

-- The permissions of another app that the roles of an app may contain.
CREATE TABLE shared.borrowed_permissions (
    app text NOT NULL CONSTRAINT borrowed_permissions_app_fkey REFERENCES shared.apps (slug),
    owner_app text NOT NULL,
    permission text NOT NULL,
    -- A key means one permission within an app.
    CONSTRAINT borrowed_permissions_pkey PRIMARY KEY (app, permission),
    CONSTRAINT borrowed_permissions_app_owner_app_permission_key UNIQUE (app, owner_app, permission),
    CONSTRAINT borrowed_permissions_permission_fkey FOREIGN KEY (owner_app, permission)
        REFERENCES shared.permissions (app, key),
    CONSTRAINT borrowed_permissions_owner_app_check CHECK (owner_app <> app)
);
GRANT SELECT ON shared.borrowed_permissions TO tenantry_shared, tenantry_platform;

-- A member of a business sees the presets of all apps and the roles of that business.
ALTER TABLE shared.role_permissions DROP CONSTRAINT role_permissions_role_fkey;
ALTER TABLE shared.membership_roles DROP CONSTRAINT membership_roles_role_fkey;
-- reason: there are a handful of roles.
ALTER TABLE shared.roles DROP CONSTRAINT roles_pkey;
-- reason: there are a handful of roles.
ALTER TABLE shared.roles
    -- The business whose role it is; null: a preset of the app, for all businesses.
    ADD COLUMN tenant_id uuid,
    ADD COLUMN scope uuid NOT NULL
        GENERATED ALWAYS AS (coalesce(tenant_id, '00000000-0000-0000-0000-000000000000')) STORED,
    ADD COLUMN name text NOT NULL DEFAULT '',
    ADD COLUMN description text NOT NULL DEFAULT '',
    ADD COLUMN version integer NOT NULL DEFAULT 1,
    ADD COLUMN created_at timestamptz NOT NULL DEFAULT '2026-01-01 00:00:00+00',
    ADD COLUMN updated_at timestamptz NOT NULL DEFAULT '2026-01-01 00:00:00+00';
-- reason: there are a handful of roles.
ALTER TABLE shared.roles ADD CONSTRAINT roles_pkey PRIMARY KEY (app, scope, key);
-- reason: there are a handful of roles.
ALTER TABLE shared.roles ADD CONSTRAINT roles_tenant_id_fkey FOREIGN KEY (tenant_id)
    REFERENCES shared.tenants (id) ON DELETE CASCADE;
-- reason: there are a handful of roles.
ALTER TABLE shared.roles ADD CONSTRAINT roles_key_check CHECK (key ~ '^[A-Za-z][A-Za-z0-9_-]{0,39}$');
-- reason: there are a handful of roles.
CREATE INDEX roles_tenant_id_idx ON shared.roles (tenant_id) WHERE tenant_id IS NOT NULL;

-- reason: there are a handful of roles.
ALTER TABLE shared.role_permissions DROP CONSTRAINT role_permissions_pkey;
-- reason: there are a handful of roles.
ALTER TABLE shared.role_permissions DROP CONSTRAINT role_permissions_permission_fkey;
-- reason: there are a handful of roles.
ALTER TABLE shared.role_permissions
    ADD COLUMN role_scope uuid NOT NULL DEFAULT '00000000-0000-0000-0000-000000000000',
    -- The app whose permission it is: the role's own app, or one from which that app borrows.
    ADD COLUMN permission_app text,
    ADD COLUMN borrowed_from text
        GENERATED ALWAYS AS (CASE WHEN permission_app <> app THEN permission_app END) STORED;
-- reason: there are a handful of roles.
UPDATE shared.role_permissions SET permission_app = app;
-- reason: there are a handful of roles.
ALTER TABLE shared.role_permissions ALTER COLUMN permission_app SET NOT NULL;
-- reason: there are a handful of roles.
ALTER TABLE shared.role_permissions
    ADD CONSTRAINT role_permissions_pkey PRIMARY KEY (app, role_scope, role, permission);
-- reason: there are a handful of roles.
ALTER TABLE shared.role_permissions ADD CONSTRAINT role_permissions_role_fkey
    FOREIGN KEY (app, role_scope, role) REFERENCES shared.roles (app, scope, key) ON DELETE CASCADE;
-- reason: there are a handful of roles.
ALTER TABLE shared.role_permissions ADD CONSTRAINT role_permissions_permission_fkey
    FOREIGN KEY (permission_app, permission) REFERENCES shared.permissions (app, key);
-- reason: there are a handful of roles.
ALTER TABLE shared.role_permissions ADD CONSTRAINT role_permissions_borrowed_fkey
    FOREIGN KEY (app, borrowed_from, permission)
    REFERENCES shared.borrowed_permissions (app, owner_app, permission);

-- reason: one row for each member of a business.
ALTER TABLE shared.memberships
    ADD COLUMN scope uuid NOT NULL
        GENERATED ALWAYS AS (coalesce(tenant_id, '00000000-0000-0000-0000-000000000000')) STORED,
    ADD COLUMN has_business boolean NOT NULL GENERATED ALWAYS AS (tenant_id IS NOT NULL) STORED,
    ADD COLUMN last_sign_in_at timestamptz;
ALTER TABLE shared.memberships DROP CONSTRAINT memberships_scope_check;
-- reason: one row for each member of a business.
ALTER TABLE shared.memberships ADD CONSTRAINT memberships_app_has_business_fkey
    FOREIGN KEY (app, has_business) REFERENCES shared.apps (slug, has_businesses);
-- reason: one row for each member of a business.
ALTER TABLE shared.memberships ADD CONSTRAINT memberships_id_app_scope_key UNIQUE (id, app, scope);

-- reason: one row for each role of a member of a business.
ALTER TABLE shared.membership_roles
    -- The business of the membership, and the business of the role: the same one, or none for a preset.
    ADD COLUMN scope uuid,
    ADD COLUMN role_scope uuid NOT NULL DEFAULT '00000000-0000-0000-0000-000000000000';
-- reason: one row for each role of a member of a business.
UPDATE shared.membership_roles r SET scope = m.scope FROM shared.memberships m WHERE m.id = r.membership_id;
-- reason: one row for each role of a member of a business.
ALTER TABLE shared.membership_roles ALTER COLUMN scope SET NOT NULL;
ALTER TABLE shared.membership_roles DROP CONSTRAINT membership_roles_membership_fkey;
-- reason: one row for each role of a member of a business.
ALTER TABLE shared.membership_roles ADD CONSTRAINT membership_roles_membership_fkey
    FOREIGN KEY (membership_id, app, scope) REFERENCES shared.memberships (id, app, scope) ON DELETE CASCADE;
-- reason: one row for each role of a member of a business.
ALTER TABLE shared.membership_roles ADD CONSTRAINT membership_roles_role_fkey
    FOREIGN KEY (app, role_scope, role) REFERENCES shared.roles (app, scope, key);
-- reason: one row for each role of a member of a business.
ALTER TABLE shared.membership_roles ADD CONSTRAINT membership_roles_role_scope_check
    CHECK (role_scope IN ('00000000-0000-0000-0000-000000000000', scope));
-- reason: one row for each role of a member of a business.
CREATE INDEX membership_roles_role_idx ON shared.membership_roles (app, role_scope, role);

ALTER TABLE shared.users
    ADD COLUMN phone text,
    ADD COLUMN locale text,
    -- The password was chosen by somebody else, so it must be changed at the next sign-in.
    ADD COLUMN must_change_password boolean NOT NULL DEFAULT false;
ALTER TABLE shared.users DROP CONSTRAINT users_status_check;
-- reason: one row for each person.
ALTER TABLE shared.users ADD CONSTRAINT users_status_check CHECK (status IN ('active', 'disabled', 'deleted'));
ALTER TABLE shared.user_logins ADD COLUMN verified_at timestamptz;
-- reason: one row for each login of a person.
ALTER TABLE shared.user_logins ADD CONSTRAINT user_logins_user_id_kind_tenant_id_key
    UNIQUE NULLS NOT DISTINCT (user_id, kind, tenant_id);

-- Fills columns that the release before does not know: it may still write, and a backup of it may be loaded.
CREATE FUNCTION shared.fill_identity_columns() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $function$
BEGIN
    IF TG_TABLE_NAME = 'apps' THEN
        NEW.has_businesses := NEW.has_businesses AND NEW.slug <> 'platform';
        NEW.is_built_in := NEW.is_built_in OR NEW.slug IN ('inventory', 'pos', 'platform');
    ELSIF TG_TABLE_NAME = 'role_permissions' THEN
        NEW.permission_app := coalesce(NEW.permission_app, NEW.app);
    ELSIF NEW.scope IS NULL THEN
        NEW.scope := (SELECT m.scope FROM shared.memberships m WHERE m.id = NEW.membership_id);
    END IF;
    RETURN NEW;
END
$function$;
CREATE TRIGGER apps_fill BEFORE INSERT ON shared.apps
    FOR EACH ROW EXECUTE FUNCTION shared.fill_identity_columns();
CREATE TRIGGER role_permissions_fill BEFORE INSERT ON shared.role_permissions
    FOR EACH ROW EXECUTE FUNCTION shared.fill_identity_columns();
CREATE TRIGGER membership_roles_fill BEFORE INSERT ON shared.membership_roles
    FOR EACH ROW EXECUTE FUNCTION shared.fill_identity_columns();

-- Within one business, a key means one role: a preset or a role of the business.
CREATE FUNCTION shared.keep_role_keys_apart() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $function$
BEGIN
    PERFORM pg_advisory_xact_lock(hashtextextended('role ' || NEW.app || ' ' || lower(NEW.key), 0));
    IF EXISTS (SELECT FROM shared.roles r
                WHERE r.app = NEW.app AND lower(r.key) = lower(NEW.key)
                  AND (r.tenant_id IS NULL OR NEW.tenant_id IS NULL OR r.tenant_id = NEW.tenant_id)) THEN
        RAISE EXCEPTION 'the app % has a role % already', NEW.app, NEW.key
              USING ERRCODE = 'unique_violation', CONSTRAINT = 'roles_key_taken';
    END IF;
    RETURN NEW;
END
$function$;
CREATE TRIGGER roles_keys_apart BEFORE INSERT ON shared.roles
    FOR EACH ROW EXECUTE FUNCTION shared.keep_role_keys_apart();

-- A business always has an active owner. Whoever takes ownership away waits for the others who do the same, so two
-- owners who demote each other cannot both succeed.
CREATE FUNCTION shared.keep_an_owner() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $function$
DECLARE
    business uuid;
BEGIN
    FOR business IN
        SELECT m.tenant_id FROM shared.memberships m
          JOIN shared.membership_roles r ON r.membership_id = m.id
         WHERE TG_TABLE_NAME = 'users' AND m.user_id = (to_jsonb(OLD) ->> 'id')::uuid
           AND m.app = 'inventory' AND m.status = 'active' AND r.role = 'OWNER'
         UNION
        SELECT (to_jsonb(OLD) ->> 'scope')::uuid
         WHERE TG_TABLE_NAME = 'membership_roles'
            OR TG_TABLE_NAME = 'memberships'
           AND EXISTS (SELECT FROM shared.membership_roles r
                        WHERE r.membership_id = (to_jsonb(OLD) ->> 'id')::uuid AND r.role = 'OWNER')
         ORDER BY 1
    LOOP
        -- Dropping a business removes its members.
        PERFORM FROM shared.tenants WHERE id = business FOR NO KEY UPDATE;
        IF FOUND AND NOT EXISTS (
            SELECT FROM shared.memberships m
              JOIN shared.membership_roles r ON r.membership_id = m.id
              JOIN shared.users u ON u.id = m.user_id
             WHERE m.tenant_id = business AND m.app = 'inventory' AND m.status = 'active'
               AND r.role = 'OWNER' AND u.status = 'active') THEN
            RAISE EXCEPTION 'the business % would have no active owner', business
                  USING ERRCODE = 'check_violation', CONSTRAINT = 'memberships_last_owner',
                        DETAIL = business::text;
        END IF;
    END LOOP;
    RETURN NULL;
END
$function$;
CREATE TRIGGER membership_roles_keep_an_owner AFTER DELETE ON shared.membership_roles
    FOR EACH ROW WHEN (OLD.app = 'inventory' AND OLD.role = 'OWNER') EXECUTE FUNCTION shared.keep_an_owner();
CREATE TRIGGER memberships_keep_an_owner AFTER UPDATE OF status ON shared.memberships
    FOR EACH ROW WHEN (OLD.app = 'inventory' AND OLD.status = 'active' AND NEW.status <> 'active')
    EXECUTE FUNCTION shared.keep_an_owner();
CREATE TRIGGER users_keep_an_owner AFTER UPDATE OF status ON shared.users
    FOR EACH ROW WHEN (OLD.status = 'active' AND NEW.status <> 'active') EXECUTE FUNCTION shared.keep_an_owner();

-- Dropping a business removes its roles and its members. Those who have the roles go first.
CREATE FUNCTION shared.take_own_roles() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $function$
BEGIN
    DELETE FROM shared.membership_roles WHERE scope = OLD.id AND role_scope = OLD.id;
    RETURN OLD;
END
$function$;
CREATE TRIGGER tenants_take_own_roles BEFORE DELETE ON shared.tenants
    FOR EACH ROW EXECUTE FUNCTION shared.take_own_roles();

-- The version of a membership counts the changes of what the member may do.
CREATE FUNCTION shared.count_membership_changes() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $function$
BEGIN
    IF TG_TABLE_NAME = 'membership_roles' THEN
        UPDATE shared.memberships SET version = version + 1 WHERE id IN (SELECT membership_id FROM changed);
    ELSE
        UPDATE shared.memberships SET version = version + 1
         WHERE id IN (SELECT r.membership_id FROM shared.membership_roles r
                        JOIN changed c ON c.app = r.app AND c.role_scope = r.role_scope AND c.role = r.role);
    END IF;
    RETURN NULL;
END
$function$;
CREATE FUNCTION shared.count_status_changes() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $function$
BEGIN
    NEW.version := OLD.version + 1;
    RETURN NEW;
END
$function$;
CREATE TRIGGER memberships_count_status BEFORE UPDATE OF status ON shared.memberships
    FOR EACH ROW WHEN (OLD.status <> NEW.status) EXECUTE FUNCTION shared.count_status_changes();
CREATE TRIGGER membership_roles_added AFTER INSERT ON shared.membership_roles
    REFERENCING NEW TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION shared.count_membership_changes();
CREATE TRIGGER membership_roles_removed AFTER DELETE ON shared.membership_roles
    REFERENCING OLD TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION shared.count_membership_changes();
CREATE TRIGGER role_permissions_added AFTER INSERT ON shared.role_permissions
    REFERENCING NEW TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION shared.count_membership_changes();
CREATE TRIGGER role_permissions_removed AFTER DELETE ON shared.role_permissions
    REFERENCING OLD TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION shared.count_membership_changes();

ALTER TABLE shared.roles ENABLE ROW LEVEL SECURITY;
ALTER TABLE shared.role_permissions ENABLE ROW LEVEL SECURITY;
CREATE POLICY roles_own ON shared.roles FOR SELECT TO tenantry_shared
    USING (tenant_id IS NULL OR tenant_id = nullif(current_setting('tenantry.tenant', true), '')::uuid);
CREATE POLICY roles_platform ON shared.roles FOR SELECT TO tenantry_platform USING (true);
CREATE POLICY role_permissions_own ON shared.role_permissions FOR SELECT TO tenantry_shared
    USING (role_scope = '00000000-0000-0000-0000-000000000000'
           OR role_scope = nullif(current_setting('tenantry.tenant', true), '')::uuid);
CREATE POLICY role_permissions_platform ON shared.role_permissions FOR SELECT TO tenantry_platform USING (true);

-- A business manages its own roles and members. No setting, no rows.
CREATE POLICY roles_managed ON shared.roles TO tenantry_shared
    USING (tenant_id = nullif(current_setting('tenantry.tenant', true), '')::uuid);
CREATE POLICY role_permissions_managed ON shared.role_permissions TO tenantry_shared
    USING (role_scope = nullif(current_setting('tenantry.tenant', true), '')::uuid);
DROP POLICY membership_roles_own ON shared.membership_roles;
CREATE POLICY membership_roles_own ON shared.membership_roles FOR SELECT TO tenantry_shared
    USING (membership_id IN (SELECT id FROM shared.memberships));
CREATE POLICY membership_roles_managed ON shared.membership_roles TO tenantry_shared
    USING (scope = nullif(current_setting('tenantry.tenant', true), '')::uuid);
DROP POLICY memberships_own ON shared.memberships;
CREATE POLICY memberships_own ON shared.memberships FOR SELECT TO tenantry_shared
    USING (user_id = nullif(current_setting('tenantry.user', true), '')::uuid
           OR tenant_id = nullif(current_setting('tenantry.tenant', true), '')::uuid);
CREATE POLICY memberships_managed ON shared.memberships TO tenantry_shared
    USING (tenant_id = nullif(current_setting('tenantry.tenant', true), '')::uuid);
GRANT INSERT (app, tenant_id, key, name, description, created_at, updated_at),
      UPDATE (name, description, version, updated_at), DELETE ON shared.roles TO tenantry_shared;
GRANT INSERT (app, role_scope, role, permission_app, permission), DELETE ON shared.role_permissions
   TO tenantry_shared;
GRANT INSERT (id, user_id, app, tenant_id, status, created_at, updated_at), UPDATE (status, updated_at), DELETE
   ON shared.memberships TO tenantry_shared;
GRANT INSERT (membership_id, app, scope, role_scope, role), DELETE ON shared.membership_roles TO tenantry_shared;
GRANT SELECT (phone, locale, must_change_password) ON shared.users TO tenantry_shared, tenantry_platform;

-- The apps that come with the program. Called by migrations, and after a backup of an earlier release was loaded.
-- What a later release adds, its migration adds here.
CREATE FUNCTION shared.ensure_built_in_apps() RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $function$
BEGIN
    INSERT INTO shared.apps (slug, name, description, has_businesses, is_built_in) VALUES
        ('inventory', 'Inventory', 'Catalogue, stock, orders and purchasing of a business', true, true),
        ('pos', 'Point of sale', 'The till of a business', true, true),
        ('platform', 'Platform', 'The operator''s own work: businesses, users, backups', false, true)
        ON CONFLICT (slug) DO NOTHING;
    INSERT INTO shared.permissions (app, key, description) VALUES
        ('inventory', 'catalogue.read', 'Read products, variants, barcodes, categories, tax classes and settings'),
        ('inventory', 'catalogue.write', 'Change the catalogue; in orders, set prices and exceed the discount limit'),
        ('inventory', 'stock.read', 'Read stock levels, movements, locations, transfers, stock counts and alerts'),
        ('inventory', 'stock.adjust', 'Adjust stock, for example after damage or loss'),
        ('inventory', 'stock.transfer', 'Send, receive and send back transfers between locations'),
        ('inventory', 'stock.count', 'Open, enter, post and cancel stock counts'),
        ('inventory', 'orders.read', 'Read orders, returns and customers'),
        ('inventory', 'orders.place', 'Place and fulfil orders, and manage customers'),
        ('inventory', 'orders.cancel', 'Cancel orders'),
        ('inventory', 'orders.return', 'Take returned goods back'),
        ('inventory', 'purchasing.receive', 'Read suppliers and purchase orders, and receive goods'),
        ('inventory', 'purchasing.write', 'Change suppliers and purchase orders, and reverse goods receipts'),
        ('inventory', 'dashboard.read', 'Read the dashboard'),
        ('inventory', 'reports.read', 'Read reports and reorder suggestions, and verify the stock ledger'),
        ('inventory', 'team.manage', 'Manage the members and the roles of the business'),
        ('inventory', 'settings.write', 'Change the settings, tax classes and locations of the business'),
        ('inventory', 'data.export', 'Export the data of the business'),
        ('inventory', 'audit.read', 'Read the audit log of the business'),
        ('platform', 'tenants.read', 'Read businesses, domains, backups, jobs, migrations and the audit log'),
        ('platform', 'tenants.write', 'Create, change, back up and drop businesses, and manage jobs'),
        ('platform', 'apps.write', 'Register apps with their permissions and roles')
        ON CONFLICT (app, key) DO UPDATE SET description = EXCLUDED.description;
    INSERT INTO shared.borrowed_permissions (app, owner_app, permission) VALUES
        ('pos', 'inventory', 'catalogue.read'), ('pos', 'inventory', 'stock.read')
        ON CONFLICT (app, permission) DO NOTHING;
    INSERT INTO shared.roles (app, key, name, description)
    SELECT preset.app, preset.key, preset.name, preset.description
      FROM (VALUES
            ('inventory', 'OWNER', 'Owner', 'Everything in the business, with its members and settings'),
            ('inventory', 'MANAGER', 'Manager', 'The daily business: catalogue, stock, orders, purchasing, reports'),
            ('inventory', 'STAFF', 'Staff', 'Reads catalogue and stock, places orders, receives goods'),
            ('pos', 'cashier', 'Cashier', 'Sells at the till'),
            ('pos', 'supervisor', 'Supervisor', 'Sells at the till and approves'),
            ('pos', 'shop_admin', 'Shop administrator', 'Sets up the tills of the shop'),
            ('platform', 'super_admin', 'Super administrator', 'Everything on the platform'),
            ('platform', 'support', 'Support', 'Reads everything on the platform')
           ) AS preset (app, key, name, description)
     WHERE NOT EXISTS (SELECT FROM shared.roles r
                        WHERE r.app = preset.app AND r.key = preset.key AND r.tenant_id IS NULL);
    UPDATE shared.roles r SET name = initcap(replace(key, '_', ' ')) WHERE name = '' AND tenant_id IS NULL;
    INSERT INTO shared.role_permissions (app, role, permission_app, permission)
    SELECT 'inventory', role, 'inventory', permission
      FROM (VALUES ('catalogue.read'), ('stock.read'), ('orders.read'), ('orders.place'), ('purchasing.receive'),
                   ('dashboard.read')) AS staff (permission)
     CROSS JOIN (VALUES ('STAFF'), ('MANAGER'), ('OWNER')) AS at_least_staff (role)
     UNION ALL
    SELECT 'inventory', role, 'inventory', permission
      FROM (VALUES ('catalogue.write'), ('stock.adjust'), ('stock.transfer'), ('stock.count'), ('orders.cancel'),
                   ('orders.return'), ('purchasing.write'), ('reports.read')) AS manager (permission)
     CROSS JOIN (VALUES ('MANAGER'), ('OWNER')) AS at_least_manager (role)
     UNION ALL
    SELECT 'inventory', 'OWNER', 'inventory', permission
      FROM (VALUES ('team.manage'), ('settings.write'), ('data.export'), ('audit.read')) AS owner (permission)
     UNION ALL
    SELECT 'pos', role, 'inventory', permission
      FROM (VALUES ('catalogue.read'), ('stock.read')) AS borrowed (permission)
     CROSS JOIN (VALUES ('cashier'), ('supervisor'), ('shop_admin')) AS at_the_till (role)
     UNION ALL
    SELECT 'platform', 'super_admin', 'platform', permission
      FROM (VALUES ('tenants.read'), ('tenants.write'), ('apps.write')) AS admin (permission)
     UNION ALL
    VALUES ('platform', 'support', 'platform', 'tenants.read')
        ON CONFLICT (app, role_scope, role, permission) DO NOTHING;
END
$function$;
REVOKE ALL ON FUNCTION shared.ensure_built_in_apps() FROM PUBLIC;
SELECT shared.ensure_built_in_apps();

-- Two businesses may have different roles of one name, so a role is found by its business, too.
CREATE OR REPLACE FUNCTION shared.find_credentials(wanted_email text, wanted_app text, wanted_tenant uuid)
RETURNS TABLE (user_id uuid, full_name text, email text, password_hash text, user_status text,
               membership_id uuid, membership_version integer, roles text[], permissions text[])
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $function$
    SELECT u.id, u.full_name, l.value, u.password_hash, u.status, m.id, m.version,
           ARRAY(SELECT mr.role FROM shared.membership_roles mr WHERE mr.membership_id = m.id ORDER BY mr.role),
           ARRAY(SELECT DISTINCT rp.permission
                   FROM shared.membership_roles mr
                   JOIN shared.role_permissions rp
                     ON rp.app = mr.app AND rp.role_scope = mr.role_scope AND rp.role = mr.role
                  WHERE mr.membership_id = m.id
                  ORDER BY rp.permission)
      FROM shared.user_logins l
      JOIN shared.users u ON u.id = l.user_id
      LEFT JOIN shared.memberships m
             ON m.user_id = u.id AND m.app = wanted_app AND m.status = 'active'
            AND m.tenant_id IS NOT DISTINCT FROM wanted_tenant
     WHERE l.kind = 'email' AND l.tenant_id IS NULL AND l.value = wanted_email
$function$;

-- The permissions that the roles of an app may contain: its own, and borrowed ones.
CREATE VIEW shared.app_permissions AS
    SELECT app, app AS owner_app, key AS permission FROM shared.permissions
     UNION ALL
    SELECT app, owner_app, permission FROM shared.borrowed_permissions;
GRANT SELECT ON shared.app_permissions TO tenantry_shared, tenantry_platform;
