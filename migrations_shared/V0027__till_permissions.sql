-- The permissions of the till. The back office borrows it: an owner sets tills up, and gives the roles to others.
ALTER FUNCTION shared.ensure_built_in_apps() RENAME TO ensure_fourth_built_in_apps;
CREATE FUNCTION shared.ensure_built_in_apps() RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $function$
BEGIN
    PERFORM shared.ensure_fourth_built_in_apps();
    INSERT INTO shared.permissions (app, key, description) VALUES
        ('pos', 'till.read', 'Read registers and shifts'),
        ('pos', 'till.sell', 'Open and close shifts, and put cash into a till and take it out'),
        ('pos', 'till.approve', 'See what a till should hold, approve differences, and close shifts of others'),
        ('pos', 'till.manage', 'Set up registers')
        ON CONFLICT (app, key) DO UPDATE SET description = EXCLUDED.description;
    INSERT INTO shared.borrowed_permissions (app, owner_app, permission) VALUES
        ('inventory', 'pos', 'till.read'), ('inventory', 'pos', 'till.sell'),
        ('inventory', 'pos', 'till.approve'), ('inventory', 'pos', 'till.manage')
        ON CONFLICT (app, permission) DO NOTHING;
    INSERT INTO shared.role_permissions (app, role, permission_app, permission)
    SELECT app, role, 'pos', permission
      FROM (VALUES
            ('pos', 'cashier', ARRAY['till.read', 'till.sell']),
            ('pos', 'supervisor', ARRAY['till.read', 'till.sell', 'till.approve']),
            ('pos', 'shop_admin', ARRAY['till.read', 'till.sell', 'till.approve', 'till.manage']),
            ('inventory', 'MANAGER', ARRAY['till.read', 'till.sell', 'till.approve']),
            ('inventory', 'OWNER', ARRAY['till.read', 'till.sell', 'till.approve', 'till.manage'])
           ) AS preset (app, role, permissions)
     CROSS JOIN unnest(permissions) AS permission
        ON CONFLICT (app, role_scope, role, permission) DO NOTHING;
END
$function$;
REVOKE ALL ON FUNCTION shared.ensure_built_in_apps() FROM PUBLIC;
SELECT shared.ensure_built_in_apps();
