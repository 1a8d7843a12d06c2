-- People who ask for a business of their own. The business is created when the mailed link is used. Nobody is known yet
-- whom a policy could name, so servers use the functions below.
CREATE TABLE shared.sign_ups (
    id uuid CONSTRAINT sign_ups_pkey PRIMARY KEY,
    email text NOT NULL,
    slug text NOT NULL,
    name text NOT NULL,
    currency text NOT NULL,
    -- The network of the client, by which sign-ups are counted; null: unknown, or older than a day.
    network inet,
    -- The hash of the token in the link; null until the mail is written.
    hash bytea CONSTRAINT sign_ups_hash_key UNIQUE,
    created_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    -- The number of times that the link was presented.
    attempts integer NOT NULL DEFAULT 0,
    confirmed_at timestamptz,
    -- The business; no foreign key, for the row outlives it.
    tenant_id uuid
);
CREATE INDEX sign_ups_created_at_idx ON shared.sign_ups (created_at);
CREATE INDEX sign_ups_email_idx ON shared.sign_ups (email);
ALTER TABLE shared.sign_ups ENABLE ROW LEVEL SECURITY;

-- Writes a sign-up down. The outcome is 'written', 'unmailed' for an email that has had too many, or 'too_many'. Those
-- who ask at the same moment from one network are too many, too: nobody waits here with a connection.
CREATE FUNCTION shared.ask_for_business(
    new_id uuid, its_email text, its_slug text, its_name text, its_currency text, its_network inet,
    most_of_email integer, most_of_network integer, most_in_all integer, moment timestamptz, its_end timestamptz)
RETURNS text
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $function$
DECLARE
    day_ago timestamptz := moment - interval '1 day';
    -- A customer of a provider has many IPv6 networks of 64 bits, in one of 48.
    wide inet := CASE WHEN family(its_network) = 6 THEN network(set_masklen(its_network, 48))::inet END;
BEGIN
    IF NOT pg_try_advisory_xact_lock(hashtextextended('sign-ups of ' || coalesce(wide, its_network)::text, 0)) THEN
        RETURN 'too_many';
    END IF;
    IF (SELECT count(*) FROM shared.sign_ups WHERE created_at > day_ago) >= most_in_all
        OR (SELECT count(*) FROM shared.sign_ups WHERE created_at > day_ago AND network = its_network)
           >= most_of_network
        OR (SELECT count(*) FROM shared.sign_ups WHERE created_at > day_ago AND network <<= wide)
           >= 5 * most_of_network
    THEN
        RETURN 'too_many';
    END IF;
    PERFORM pg_advisory_xact_lock(hashtextextended('sign-up of ' || its_email, 0));
    IF (SELECT count(*) FROM shared.sign_ups WHERE created_at > day_ago AND email = its_email) >= most_of_email THEN
        RETURN 'unmailed';
    END IF;
    INSERT INTO shared.sign_ups (id, email, slug, name, currency, network, created_at, expires_at)
    VALUES (new_id, its_email, its_slug, its_name, its_currency, its_network, moment, its_end);
    RETURN 'written';
END
$function$;

-- The sign-up of a link, which counts the attempt. No row: the link is of no use. A link that was used tells what it
-- made, for whoever did not get the answer.
CREATE FUNCTION shared.try_sign_up(presented bytea, most_attempts integer, moment timestamptz)
RETURNS TABLE (id uuid, email text, slug text, name text, currency text, tenant_id uuid, user_status text,
               has_password boolean)
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $function$
    WITH tried AS (
        UPDATE shared.sign_ups s SET attempts = s.attempts + 1
         WHERE s.hash = presented AND s.expires_at > moment AND s.attempts < most_attempts
     RETURNING s.*)
    SELECT t.id, t.email, t.slug, t.name, t.currency, t.tenant_id, u.status, u.password_hash IS NOT NULL
      FROM tried t
      LEFT JOIN shared.user_logins l ON l.kind = 'email' AND l.value = t.email
      LEFT JOIN shared.users u ON u.id = l.user_id
$function$;
REVOKE ALL ON FUNCTION
    shared.ask_for_business(uuid, text, text, text, text, inet, integer, integer, integer, timestamptz, timestamptz),
    shared.try_sign_up(bytea, integer, timestamptz) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION
    shared.ask_for_business(uuid, text, text, text, text, inet, integer, integer, integer, timestamptz, timestamptz),
    shared.try_sign_up(bytea, integer, timestamptz) TO tenantry_shared;

-- An account that is deleted takes its sign-ups along.
ALTER FUNCTION shared.erase_user(uuid, timestamptz) RENAME TO erase_account;
CREATE FUNCTION shared.erase_user(of_user uuid, moment timestamptz) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $function$
BEGIN
    DELETE FROM shared.sign_ups
     WHERE email IN (SELECT value FROM shared.user_logins WHERE user_id = of_user AND kind = 'email');
    RETURN shared.erase_account(of_user, moment);
END
$function$;
REVOKE ALL ON FUNCTION shared.erase_user(uuid, timestamptz) FROM PUBLIC;
