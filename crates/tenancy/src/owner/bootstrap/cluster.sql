-- Roles belong to the whole cluster. All installations in the cluster share the three groups.
DO $do$
DECLARE
    wanted text;
BEGIN
    FOREACH wanted IN ARRAY ARRAY[:'tenant_group', :'shared_group', :'platform_group', :'reader'] LOOP
        IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = wanted) THEN
            EXECUTE format('CREATE ROLE %I NOLOGIN', wanted);
        END IF;
    END LOOP;
    -- The role maker has no members. It owns two functions, and only these functions use its CREATEROLE.
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = :'role_maker') THEN
        EXECUTE format('CREATE ROLE %I NOLOGIN CREATEROLE', :'role_maker');
    ELSIF NOT (SELECT rolcreaterole FROM pg_roles WHERE rolname = :'role_maker') THEN
        EXECUTE format('ALTER ROLE %I CREATEROLE', :'role_maker');
    END IF;
    -- An existing login keeps its password.
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = :'owner') THEN
        EXECUTE format('CREATE ROLE %I LOGIN PASSWORD %L', :'owner', :'owner_password');
    END IF;
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = :'server') THEN
        EXECUTE format('CREATE ROLE %I LOGIN NOINHERIT PASSWORD %L', :'server', :'server_password');
    END IF;
    IF EXISTS (SELECT FROM pg_roles
                WHERE rolname IN (:'server', :'owner') AND (rolsuper OR rolcreaterole OR rolbypassrls)) THEN
        RAISE EXCEPTION 'a login of the installation is a superuser, or has CREATEROLE or BYPASSRLS'
              USING HINT = 'name logins of their own in database.url and database.owner_url, or take these rights away';
    END IF;
    -- The server login must have the rights of a role only after SET ROLE.
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = :'server' AND rolinherit) THEN
        EXECUTE format('ALTER ROLE %I NOINHERIT', :'server');
    END IF;
    FOREACH wanted IN ARRAY ARRAY[:'shared_group', :'platform_group'] LOOP
        -- From PostgreSQL 16 on, a membership may lack SET ROLE.
        IF NOT EXISTS (SELECT FROM pg_auth_members m
                        WHERE roleid = to_regrole(quote_ident(wanted)) AND member = to_regrole(quote_ident(:'server'))
                          AND coalesce((to_jsonb(m) ->> 'set_option')::boolean, true)) THEN
            EXECUTE format('GRANT %I TO %I', wanted, :'server');
        END IF;
    END LOOP;
    IF NOT EXISTS (SELECT FROM pg_auth_members
                    WHERE roleid = to_regrole(quote_ident(:'tenant_group'))
                      AND member = to_regrole(quote_ident(:'role_maker')) AND admin_option) THEN
        EXECUTE format('GRANT %I TO %I WITH ADMIN OPTION', :'tenant_group', :'role_maker');
    END IF;
    -- From PostgreSQL 16 on, CREATEROLE manages only the roles of which it is an administrator. PostgreSQL 15 does not
    -- ask for that, but an upgrade keeps it.
    FOR wanted IN
        SELECT r.rolname FROM pg_roles r
         WHERE r.rolname ~ ('^' || :'installation' || '_business_[0-9]+$')
           AND NOT EXISTS (SELECT FROM pg_auth_members m
                            WHERE m.roleid = r.oid AND m.member = to_regrole(quote_ident(:'role_maker'))
                              AND m.admin_option)
    LOOP
        EXECUTE format(CASE WHEN current_setting('server_version_num')::integer >= 160000
                            THEN 'GRANT %I TO %I WITH ADMIN TRUE, INHERIT FALSE, SET FALSE'
                            ELSE 'GRANT %I TO %I WITH ADMIN OPTION' END, wanted, :'role_maker');
    END LOOP;
END
$do$;
