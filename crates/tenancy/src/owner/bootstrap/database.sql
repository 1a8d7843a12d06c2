DO $do$
BEGIN
    IF current_setting('server_encoding') <> 'UTF8' THEN
        RAISE EXCEPTION 'the database has the encoding %, but must have UTF8', current_setting('server_encoding')
              USING HINT = 'name another database in database.url and database.owner_url; the bootstrap creates it';
    END IF;
    IF EXISTS (SELECT FROM pg_class WHERE relnamespace = to_regnamespace('shared') AND relkind IN ('r', 'v'))
       AND NOT EXISTS (SELECT FROM pg_class
                        WHERE relnamespace = to_regnamespace('shared') AND relname = 'shared_migrations') THEN
        RAISE EXCEPTION 'the schema "shared" of this database has tables of another program'
              USING HINT = 'name a database of their own in database.url and database.owner_url';
    END IF;
END
$do$;
-- Only the logins and the reader of the installation may connect. None of them may create temporary tables,
-- because a temporary table could remain on a connection after the transaction of a business.
REVOKE CONNECT, TEMPORARY ON DATABASE :"database" FROM PUBLIC;
GRANT CONNECT, CREATE ON DATABASE :"database" TO :"owner";
GRANT CONNECT ON DATABASE :"database" TO :"server", :"reader";
REVOKE ALL ON SCHEMA public FROM PUBLIC;

-- An administrator without superuser rights must be a member of the two roles. The membership is granted here
-- and revoked at the end.
DO $do$
BEGIN
    IF NOT (SELECT rolsuper FROM pg_roles WHERE rolname = current_user) THEN
        GRANT :"owner", :"role_maker" TO CURRENT_USER;
    END IF;
END
$do$;

CREATE SCHEMA IF NOT EXISTS shared AUTHORIZATION :"owner";
-- Somebody else may have made the schemas and the extension before.
DO $do$
BEGIN
    IF EXISTS (SELECT FROM pg_namespace WHERE nspname = 'shared' AND pg_get_userbyid(nspowner) <> :'owner') THEN
        ALTER SCHEMA shared OWNER TO :"owner";
    END IF;
END
$do$;
GRANT USAGE ON SCHEMA shared TO :"shared_group", :"platform_group";

CREATE SCHEMA IF NOT EXISTS extensions;
GRANT USAGE ON SCHEMA extensions TO :"owner", :"tenant_group";
CREATE EXTENSION IF NOT EXISTS pg_trgm SCHEMA extensions;
DO $do$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_extension
                    WHERE extname = 'pg_trgm' AND extnamespace = to_regnamespace('extensions')) THEN
        ALTER EXTENSION pg_trgm SET SCHEMA extensions;
    END IF;
END
$do$;

-- No login has CREATEROLE. The function builds the role name from the number, so a caller can create no other
-- role.
GRANT CREATE ON SCHEMA shared TO :"role_maker";
CREATE OR REPLACE FUNCTION shared.make_tenant_role(number bigint) RETURNS text
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $function$
DECLARE
    tenant_role text := :'installation' || '_business_' || number;
BEGIN
    IF number IS NULL OR number < 1 THEN
        RAISE EXCEPTION 'a business number starts at 1' USING ERRCODE = 'invalid_parameter_value';
    END IF;
    -- An existing role with this name is left over from a dropped database, and owns nothing.
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = tenant_role) THEN
        EXECUTE format('CREATE ROLE %I NOLOGIN', tenant_role);
        -- From PostgreSQL 16 on, the creator of a role is its administrator. After an upgrade from 15, only an
        -- administrator could drop it.
        IF current_setting('server_version_num')::integer < 160000 THEN
            EXECUTE format('GRANT %I TO %I WITH ADMIN OPTION', tenant_role, current_user);
        END IF;
    END IF;
    EXECUTE format('GRANT %I TO %I', :'tenant_group', tenant_role);
    EXECUTE format('GRANT %I TO %I, %I', tenant_role, :'server', :'owner');
    RETURN tenant_role;
END
$function$;
CREATE OR REPLACE FUNCTION shared.drop_tenant_role(number bigint) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $function$
BEGIN
    EXECUTE format('DROP ROLE IF EXISTS %I', :'installation' || '_business_' || number);
END
$function$;
ALTER FUNCTION shared.make_tenant_role(bigint) OWNER TO :"role_maker";
ALTER FUNCTION shared.drop_tenant_role(bigint) OWNER TO :"role_maker";
REVOKE ALL ON FUNCTION shared.make_tenant_role(bigint), shared.drop_tenant_role(bigint) FROM PUBLIC, :"server";
GRANT EXECUTE ON FUNCTION shared.make_tenant_role(bigint), shared.drop_tenant_role(bigint) TO :"owner";
REVOKE CREATE ON SCHEMA shared FROM :"role_maker";
GRANT USAGE ON SCHEMA shared TO :"role_maker";

DO $do$
BEGIN
    IF NOT (SELECT rolsuper FROM pg_roles WHERE rolname = current_user) THEN
        REVOKE :"owner", :"role_maker" FROM CURRENT_USER;
    END IF;
END
$do$;
