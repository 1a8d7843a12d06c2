-- These triggers announce work for recurring jobs, so that an idle server need not look for it all the time.
CREATE FUNCTION shared.prompt_job() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $function$
BEGIN
    PERFORM pg_notify('tenantry_jobs', TG_ARGV[0]);
    RETURN NULL;
END
$function$;
REVOKE ALL ON FUNCTION shared.prompt_job() FROM PUBLIC;
CREATE TRIGGER mails_prompt_sender AFTER INSERT ON shared.mails
    FOR EACH STATEMENT EXECUTE FUNCTION shared.prompt_job('mails.send');
CREATE TRIGGER mails_prompt_sender_again AFTER UPDATE OF state ON shared.mails
    FOR EACH ROW WHEN (OLD.state = 'dead' AND NEW.state = 'queued')
    EXECUTE FUNCTION shared.prompt_job('mails.send');
CREATE TRIGGER logout_notices_prompt_notifier AFTER INSERT ON shared.logout_notices
    FOR EACH STATEMENT EXECUTE FUNCTION shared.prompt_job('logouts.tell');
CREATE TRIGGER schemas_prompt_filling AFTER UPDATE OF state ON shared.schemas
    FOR EACH ROW WHEN (OLD.state = 'spare' AND NEW.state <> 'spare')
    EXECUTE FUNCTION shared.prompt_job('spares.fill');
CREATE TRIGGER schemas_deleted_prompt_filling AFTER DELETE ON shared.schemas
    FOR EACH ROW WHEN (OLD.state = 'spare') EXECUTE FUNCTION shared.prompt_job('spares.fill');
