-- Mails to people, and the links in them. A mail is written in the transaction that is the reason for it, and sent
-- after the commit. It holds no secret: the link's token is made when the mail is sent.
CREATE TABLE shared.mails (
    id uuid CONSTRAINT mails_pkey PRIMARY KEY,
    -- The business whose name and address the mail shows, where there is one.
    tenant_id uuid CONSTRAINT mails_tenant_id_fkey REFERENCES shared.tenants (id) ON DELETE CASCADE,
    template text NOT NULL,
    address text NOT NULL,
    parameters jsonb NOT NULL,
    state text NOT NULL
        CONSTRAINT mails_state_check CHECK (state IN ('queued', 'sent', 'dropped', 'dead')),
    attempts integer NOT NULL DEFAULT 0,
    -- When to try next.
    due_at timestamptz NOT NULL,
    -- Why the last attempt failed.
    failure text,
    created_at timestamptz NOT NULL,
    sent_at timestamptz
);
CREATE INDEX mails_due_at_idx ON shared.mails (due_at) WHERE state = 'queued';
CREATE INDEX mails_tenant_id_idx ON shared.mails (tenant_id);
CREATE INDEX mails_address_idx ON shared.mails (address, created_at);

-- Tokens of mailed links, of which only hashes are stored. Each is of use once.
CREATE TABLE shared.one_time_tokens (
    -- The mail.
    id uuid CONSTRAINT one_time_tokens_pkey PRIMARY KEY,
    purpose text NOT NULL,
    user_id uuid NOT NULL CONSTRAINT one_time_tokens_user_id_fkey REFERENCES shared.users (id) ON DELETE CASCADE,
    hash bytea NOT NULL CONSTRAINT one_time_tokens_hash_key UNIQUE,
    expires_at timestamptz NOT NULL,
    consumed_at timestamptz
);
CREATE INDEX one_time_tokens_user_id_idx ON shared.one_time_tokens (user_id);
CREATE INDEX one_time_tokens_expires_at_idx ON shared.one_time_tokens (expires_at);

ALTER TABLE shared.mails ENABLE ROW LEVEL SECURITY;
ALTER TABLE shared.one_time_tokens ENABLE ROW LEVEL SECURITY;
CREATE POLICY mails_platform ON shared.mails FOR SELECT TO tenantry_platform USING (true);
GRANT SELECT ON shared.mails TO tenantry_platform;

-- Writes a mail, unless its address has got the most of its kind within a day. Null: any number.
CREATE FUNCTION shared.queue_mail(
    new_id uuid, of_tenant uuid, its_template text, its_address text, most_a_day integer, moment timestamptz)
RETURNS void
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $function$
    INSERT INTO shared.mails (id, tenant_id, template, address, parameters, state, due_at, created_at)
    SELECT new_id, of_tenant, its_template, its_address, '{}', 'queued', moment, moment
     WHERE most_a_day IS NULL
        OR most_a_day > (SELECT count(*) FROM shared.mails
                          WHERE address = its_address AND template = its_template
                            AND created_at > moment - interval '1 day')
$function$;
REVOKE ALL ON FUNCTION shared.queue_mail(uuid, uuid, text, text, integer, timestamptz) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION shared.queue_mail(uuid, uuid, text, text, integer, timestamptz) TO tenantry_shared;

-- The user of a token that is of use, with the email, and the name at the business.
CREATE FUNCTION shared.find_one_time_token(wanted_purpose text, presented bytea, moment timestamptz)
RETURNS TABLE (user_id uuid, email text, full_name text)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $function$
    SELECT u.id, l.value, u.full_name
      FROM shared.one_time_tokens t
      JOIN shared.users u ON u.id = t.user_id AND u.status = 'active'
      LEFT JOIN shared.user_logins l ON l.user_id = u.id AND l.kind = 'email'
     WHERE t.hash = presented AND t.purpose = wanted_purpose AND t.consumed_at IS NULL AND t.expires_at > moment
$function$;

-- Sets a password by a mailed token, which also shows that the email belongs to its user. All such tokens of the user
-- are of no use any more. The rest of the transaction acts as that user. Null: the token is of no use.
CREATE FUNCTION shared.reset_password(presented bytea, new_hash text, new_key text, moment timestamptz) RETURNS uuid
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $function$
DECLARE
    of_user uuid;
BEGIN
    UPDATE shared.one_time_tokens SET consumed_at = moment
     WHERE hash = presented AND purpose = 'password_reset' AND consumed_at IS NULL AND expires_at > moment
    RETURNING user_id INTO of_user;
    UPDATE shared.users
       SET password_hash = new_hash, password_key = new_key, must_change_password = false,
           password_changed_at = moment, updated_at = moment
     WHERE id = of_user AND status = 'active';
    IF NOT FOUND THEN
        RETURN NULL;
    END IF;
    UPDATE shared.one_time_tokens SET consumed_at = moment
     WHERE user_id = of_user AND purpose = 'password_reset' AND consumed_at IS NULL;
    UPDATE shared.user_logins SET verified_at = coalesce(verified_at, moment)
     WHERE user_id = of_user AND kind = 'email';
    PERFORM set_config('tenantry.user', of_user::text, true);
    RETURN of_user;
END
$function$;
REVOKE ALL ON FUNCTION
    shared.find_one_time_token(text, bytea, timestamptz), shared.reset_password(bytea, text, text, timestamptz)
  FROM PUBLIC;
GRANT EXECUTE ON FUNCTION
    shared.find_one_time_token(text, bytea, timestamptz), shared.reset_password(bytea, text, text, timestamptz)
    TO tenantry_shared;
