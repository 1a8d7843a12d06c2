-- The saved reports that are mailed, each with the time at which a job looks at it.
CREATE TABLE shared.report_schedules (
    report_id uuid CONSTRAINT report_schedules_pkey PRIMARY KEY,
    tenant_id uuid NOT NULL
        CONSTRAINT report_schedules_tenant_id_fkey REFERENCES shared.tenants (id) ON DELETE CASCADE,
    due_at timestamptz NOT NULL,
    -- Counts the changes of the saved report, so that the job does not forget one that it has not seen.
    changes integer NOT NULL DEFAULT 0
);
CREATE INDEX report_schedules_due_at_idx ON shared.report_schedules (due_at);
CREATE INDEX report_schedules_tenant_id_idx ON shared.report_schedules (tenant_id);
ALTER TABLE shared.report_schedules ENABLE ROW LEVEL SECURITY;
CREATE POLICY report_schedules_own ON shared.report_schedules TO tenantry_shared
    USING (tenant_id = nullif(current_setting('tenantry.tenant', true), '')::uuid);
GRANT SELECT, INSERT, UPDATE (due_at, changes) ON shared.report_schedules TO tenantry_shared;
CREATE TRIGGER report_schedules_prompt AFTER INSERT OR UPDATE ON shared.report_schedules
    FOR EACH STATEMENT EXECUTE FUNCTION shared.prompt_job('reports.mail');

-- The permission to export data covers reports that are mailed.
ALTER FUNCTION shared.ensure_built_in_apps() RENAME TO ensure_eighth_built_in_apps;
CREATE FUNCTION shared.ensure_built_in_apps() RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $function$
BEGIN
    PERFORM shared.ensure_eighth_built_in_apps();
    UPDATE shared.permissions p SET description = 'Export data, and have reports mailed'
     WHERE p.app = 'inventory' AND p.key = 'data.export';
END
$function$;
REVOKE ALL ON FUNCTION shared.ensure_built_in_apps() FROM PUBLIC;
SELECT shared.ensure_built_in_apps();
