-- The platform's staff acting as a member of a business, for a limited time: a session of the member that ends with
-- that of the staff.

-- reason: the column is null in each row, so that nothing is checked.
ALTER TABLE shared.sessions ADD COLUMN staff_id uuid
    CONSTRAINT sessions_staff_id_fkey REFERENCES shared.users (id) ON DELETE CASCADE;
-- reason: the column is null in each row, so that nothing is checked.
ALTER TABLE shared.sessions ADD COLUMN staff_session_id uuid
    CONSTRAINT sessions_staff_session_id_fkey REFERENCES shared.sessions (id) ON DELETE CASCADE;
ALTER TABLE shared.sessions
    ADD COLUMN is_read_only boolean NOT NULL DEFAULT false,
    -- Why the staff acts as the member.
    ADD COLUMN reason text;
-- reason: a few sessions have such columns.
CREATE INDEX sessions_staff_id_idx ON shared.sessions (staff_id, id) WHERE staff_id IS NOT NULL;
-- reason: a few sessions have such columns.
CREATE INDEX sessions_impersonations_idx ON shared.sessions (id) WHERE staff_id IS NOT NULL;
-- reason: a few sessions have such columns.
CREATE INDEX sessions_staff_session_id_idx ON shared.sessions (staff_session_id) WHERE staff_session_id IS NOT NULL;

-- The end of the session of the staff, and each change of their roles, ends what they do as somebody else.
CREATE FUNCTION shared.end_impersonations() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $function$
BEGIN
    IF TG_TABLE_NAME = 'sessions' THEN
        UPDATE shared.sessions SET revoked_at = clock_timestamp(), revoked_reason = 'staff_session_ended'
         WHERE staff_session_id = (to_jsonb(NEW) ->> 'id')::uuid AND revoked_at IS NULL;
    ELSE
        UPDATE shared.sessions SET revoked_at = clock_timestamp(), revoked_reason = 'staff_roles_changed'
         WHERE staff_id = (to_jsonb(NEW) ->> 'user_id')::uuid AND revoked_at IS NULL;
    END IF;
    RETURN NULL;
END
$function$;
CREATE TRIGGER sessions_end_impersonations AFTER UPDATE OF revoked_at ON shared.sessions
    FOR EACH ROW WHEN (OLD.revoked_at IS NULL AND NEW.revoked_at IS NOT NULL AND NEW.staff_id IS NULL)
    EXECUTE FUNCTION shared.end_impersonations();
CREATE TRIGGER memberships_end_impersonations AFTER UPDATE ON shared.memberships
    FOR EACH ROW WHEN (OLD.version <> NEW.version AND NEW.app = 'platform')
    EXECUTE FUNCTION shared.end_impersonations();

-- The server records what the staff reads, and writes nothing else there. Nobody changes or deletes an entry.
DROP POLICY platform_audit_platform ON shared.platform_audit;
CREATE POLICY platform_audit_platform ON shared.platform_audit FOR SELECT TO tenantry_platform USING (true);
CREATE POLICY platform_audit_reads ON shared.platform_audit FOR INSERT TO tenantry_platform
    WITH CHECK (action = 'data.read');
GRANT INSERT ON shared.platform_audit TO tenantry_platform;
-- Lists of changes leave out what was only read.
-- reason: one row for each change by the operator.
CREATE INDEX platform_audit_changes_idx ON shared.platform_audit (id) WHERE action <> 'data.read';
-- reason: one row for each change by the operator.
CREATE INDEX platform_audit_changes_of_tenant_idx ON shared.platform_audit (tenant_id, id)
    WHERE action <> 'data.read';

-- What this release adds to the apps that come with the program.
ALTER FUNCTION shared.ensure_built_in_apps() RENAME TO ensure_third_built_in_apps;
CREATE FUNCTION shared.ensure_built_in_apps() RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $function$
BEGIN
    PERFORM shared.ensure_third_built_in_apps();
    INSERT INTO shared.permissions (app, key, description) VALUES
        ('platform', 'members.impersonate', 'Act as a member of a business, for a limited time')
        ON CONFLICT (app, key) DO UPDATE SET description = EXCLUDED.description;
    INSERT INTO shared.role_permissions (app, role, permission_app, permission) VALUES
        ('platform', 'super_admin', 'platform', 'members.impersonate'),
        ('platform', 'support', 'platform', 'members.impersonate')
        ON CONFLICT (app, role_scope, role, permission) DO NOTHING;
END
$function$;
REVOKE ALL ON FUNCTION shared.ensure_built_in_apps() FROM PUBLIC;
SELECT shared.ensure_built_in_apps();
