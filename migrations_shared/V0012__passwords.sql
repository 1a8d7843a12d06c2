-- Passwords: hashes that are renewed, and sign-ins that are slowed down.

ALTER TABLE shared.users
    -- Which key protects the hash; null: the oldest one.
    ADD COLUMN password_key text;
-- reason: one row for each person.
ALTER TABLE shared.users
    ADD COLUMN password_cost integer
        GENERATED ALWAYS AS (substring(password_hash FROM '^\$2[a-z]?\$(\d\d)\$')::integer) STORED;
-- A wrong password costs as much as the most expensive hash.
-- reason: one row for each person.
CREATE INDEX users_password_cost_idx ON shared.users (password_cost) WHERE password_cost IS NOT NULL;

-- Attempts to sign in, by account and by network. The keys are hashes, so the table names nobody.
CREATE TABLE shared.sign_in_attempts (
    key bytea CONSTRAINT sign_in_attempts_pkey PRIMARY KEY,
    -- Attempts that did not succeed. Each is forgotten gradually: half of them in ten minutes.
    failures double precision NOT NULL,
    updated_at timestamptz NOT NULL,
    blocked_until timestamptz NOT NULL
);
CREATE INDEX sign_in_attempts_updated_at_idx ON shared.sign_in_attempts (updated_at);
ALTER TABLE shared.sign_in_attempts ENABLE ROW LEVEL SECURITY;

-- Counts an attempt as failed until it succeeds, so that many at the same time count, too. Returns the seconds to wait
-- if the key is blocked; such an attempt does not count. Beyond the allowed failures, each doubles the wait, up to a
-- minute: nobody is locked out for good.
CREATE FUNCTION shared.count_attempt(of_key bytea, allowed integer, moment timestamptz) RETURNS double precision
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $function$
DECLARE
    until timestamptz;
    kept double precision;
BEGIN
    IF allowed = 0 THEN
        RETURN 0;
    END IF;
    INSERT INTO shared.sign_in_attempts (key, failures, updated_at, blocked_until)
    VALUES (of_key, 0, moment, '-infinity') ON CONFLICT (key) DO NOTHING;
    SELECT blocked_until, failures * power(0.5, greatest(extract(epoch FROM moment - updated_at), 0) / 600) + 1
      INTO until, kept FROM shared.sign_in_attempts WHERE key = of_key FOR UPDATE;
    IF until > moment THEN
        RETURN extract(epoch FROM until - moment);
    END IF;
    UPDATE shared.sign_in_attempts
       SET failures = kept, updated_at = greatest(updated_at, moment),
           -- Another attempt may have begun a moment earlier, so "not at all" must not be this moment.
           blocked_until = CASE WHEN round(kept) < allowed THEN '-infinity'
                                ELSE moment + make_interval(secs => least(60, power(2, round(kept) - allowed))) END
     WHERE key = of_key;
    RETURN 0;
END
$function$;
REVOKE ALL ON FUNCTION shared.count_attempt(bytea, integer, timestamptz) FROM PUBLIC;

-- Begins a sign-in: counts the attempt, and finds the account of an email, or of a username at one business. One row: if
-- wait is more than 0, nothing else is filled. An unknown login has no user_id. counted are the keys by which the attempt
-- was counted.
CREATE FUNCTION shared.begin_sign_in(
    wanted_kind text, wanted_value text, wanted_app text, wanted_tenant uuid, account_key bytea, network_key bytea,
    account_allowed integer, network_allowed integer, from_address inet, moment timestamptz)
RETURNS TABLE (wait double precision, counted bytea[], highest_cost integer, user_id uuid, full_name text, email text,
               username text, password_hash text, password_key text, password_changed_at timestamptz, must_change_password boolean,
               user_status text, membership_id uuid, membership_version integer, roles text[], permissions text[])
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $function$
#variable_conflict use_column
DECLARE
    waits double precision;
    keys bytea[] := '{}';
    known_key bytea := sha256(account_key || convert_to(coalesce(host(from_address), ''), 'UTF8'));
BEGIN
    -- Networks before accounts, so that two sign-ins do not wait for each other.
    waits := shared.count_attempt(network_key, network_allowed, moment);
    IF waits = 0 THEN
        keys := array_append(keys, network_key);
        waits := shared.count_attempt(account_key, account_allowed, moment);
        IF waits = 0 THEN
            keys := array_append(keys, account_key);
        END IF;
    END IF;
    -- Strangers who guess a password must not keep its user out. From an address at which the user was signed in and has
    -- not been signed out by others, attempts are counted apart.
    IF waits > 0 AND EXISTS (
        SELECT FROM shared.user_logins l
          JOIN shared.sessions s ON s.user_id = l.user_id
         WHERE l.kind = wanted_kind AND l.value = wanted_value
           AND l.tenant_id IS NOT DISTINCT FROM CASE WHEN wanted_kind = 'username' THEN wanted_tenant END
           AND s.address = from_address AND s.last_seen_at > moment - interval '30 days'
           AND (s.revoked_at IS NULL OR s.revoked_reason = 'signed_out')) THEN
        keys := array_append(keys, known_key);
        waits := shared.count_attempt(known_key, account_allowed, moment);
    END IF;
    IF waits > 0 THEN
        RETURN QUERY SELECT waits, keys, NULL::integer, NULL::uuid, NULL::text, NULL::text, NULL::text, NULL::text,
                            NULL::text, NULL::timestamptz, NULL::boolean, NULL::text, NULL::uuid, NULL::integer,
                            NULL::text[], NULL::text[];
        RETURN;
    END IF;
    RETURN QUERY
    SELECT 0::double precision, keys, (SELECT max(password_cost) FROM shared.users), u.id, u.full_name, e.value, n.value,
           u.password_hash, u.password_key, u.password_changed_at, u.must_change_password, u.status, m.id, m.version,
           a.roles, a.permissions
      FROM (VALUES (1)) AS always (one)
      LEFT JOIN shared.user_logins l
             ON l.kind = wanted_kind AND l.value = wanted_value
            AND l.tenant_id IS NOT DISTINCT FROM CASE WHEN wanted_kind = 'username' THEN wanted_tenant END
      LEFT JOIN shared.users u ON u.id = l.user_id
      LEFT JOIN shared.user_logins e ON e.user_id = u.id AND e.kind = 'email'
      LEFT JOIN shared.user_logins n ON n.user_id = u.id AND n.kind = 'username' AND n.tenant_id = wanted_tenant
      LEFT JOIN shared.memberships m
             ON m.user_id = u.id AND m.app = wanted_app AND m.status = 'active'
            AND m.tenant_id IS NOT DISTINCT FROM wanted_tenant
      LEFT JOIN LATERAL shared.access_of(m.id) a ON m.id IS NOT NULL;
END
$function$;

-- An attempt did not fail after all, so it no longer counts. counted are the keys, in the order in which it was counted.
CREATE FUNCTION shared.uncount_attempt(counted bytea[]) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $function$
DECLARE
    of_key bytea;
BEGIN
    FOREACH of_key IN ARRAY counted LOOP
        UPDATE shared.sign_in_attempts SET failures = greatest(failures - 1, 0) WHERE key = of_key;
    END LOOP;
END
$function$;

-- An attempt succeeded: the account starts anew.
CREATE FUNCTION shared.forget_attempts(counted bytea[], account_key bytea) RETURNS void
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $function$
    SELECT shared.uncount_attempt(counted);
    DELETE FROM shared.sign_in_attempts WHERE key = account_key;
$function$;

-- Stores the same password under another cost or key, unless the password has been changed.
CREATE FUNCTION shared.renew_password_hash(of_user uuid, old_hash text, new_hash text, new_key text) RETURNS void
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $function$
    UPDATE shared.users SET password_hash = new_hash, password_key = new_key
     WHERE id = of_user AND password_hash = old_hash;
$function$;

-- Reads the hash that only its user's own requests may compare.
CREATE FUNCTION shared.own_password() RETURNS TABLE (password_hash text, password_key text)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $function$
    SELECT u.password_hash, u.password_key FROM shared.users u
     WHERE u.id = nullif(current_setting('tenantry.user', true), '')::uuid
$function$;

-- Replaces a password, if it is still the one that was compared.
CREATE FUNCTION shared.change_password(of_user uuid, old_hash text, new_hash text, new_key text, moment timestamptz)
RETURNS boolean
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $function$
    WITH changed AS (
        UPDATE shared.users
           SET password_hash = new_hash, password_key = new_key, must_change_password = false,
               password_changed_at = moment, updated_at = moment
         WHERE id = of_user AND id = nullif(current_setting('tenantry.user', true), '')::uuid
           AND password_hash = old_hash AND status = 'active' RETURNING 1)
    SELECT EXISTS (SELECT FROM changed)
$function$;

REVOKE ALL ON FUNCTION
    shared.begin_sign_in(text, text, text, uuid, bytea, bytea, integer, integer, inet, timestamptz),
    shared.uncount_attempt(bytea[]), shared.forget_attempts(bytea[], bytea),
    shared.renew_password_hash(uuid, text, text, text),
    shared.own_password(), shared.change_password(uuid, text, text, text, timestamptz) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION
    shared.begin_sign_in(text, text, text, uuid, bytea, bytea, integer, integer, inet, timestamptz),
    shared.uncount_attempt(bytea[]), shared.forget_attempts(bytea[], bytea),
    shared.renew_password_hash(uuid, text, text, text),
    shared.own_password(), shared.change_password(uuid, text, text, text, timestamptz),
    shared.count_attempt(bytea, integer, timestamptz) TO tenantry_shared;
