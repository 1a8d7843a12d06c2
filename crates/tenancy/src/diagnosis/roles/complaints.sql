-- Lists what is wrong with the roles and with the rights on the database, one row each, with the statement that cures
-- it. Where the statement is null, the bootstrap cures it.
--   $1 the server's login, $2 the role maker, $3 the groups: of businesses, for `shared`, and of the platform
--   $4 the reader, $5 the largest number of connections of one server process
WITH login AS (
    SELECT r.*, r.rolname = $1 AS is_server FROM pg_catalog.pg_roles r WHERE r.rolname IN ($1, current_user)
), business AS (
    SELECT s.number, s.role_name, r.oid, r.rolname, r.rolcanlogin, r.rolsuper, r.rolcreaterole, r.rolbypassrls
      FROM shared.schemas s LEFT JOIN pg_catalog.pg_roles r ON r.rolname = s.role_name
     WHERE s.state IN ('live', 'spare')
), membership AS (
    -- set_option and inherit_option exist from PostgreSQL 16 on.
    SELECT m.roleid, m.member, g.rolname AS granted, x.rolname AS to_whom, m.admin_option,
           coalesce((to_jsonb(m) ->> 'set_option')::boolean, true) AS may_set,
           coalesce((to_jsonb(m) ->> 'inherit_option')::boolean, x.rolinherit) AS inherits,
           -- The same membership may have been granted by several roles from then on, and each must revoke its own.
           format('%I FROM %I%s', g.rolname, x.rolname,
                  CASE WHEN current_setting('server_version_num')::integer >= 160000
                       THEN format(' GRANTED BY %I', pg_get_userbyid(m.grantor)) ELSE '' END) AS revoked
      FROM pg_catalog.pg_auth_members m
      JOIN pg_catalog.pg_roles g ON g.oid = m.roleid
      JOIN pg_catalog.pg_roles x ON x.oid = m.member
), this_database AS (
    SELECT d.oid, d.datname, d.datconnlimit, d.datdba, coalesce(d.datacl, acldefault('d', d.datdba)) AS acl
      FROM pg_catalog.pg_database d WHERE d.datname = current_database()
), complaint (place, text, cure) AS (
    SELECT 10, format('the login %s %s', rolname, power),
           format('ALTER ROLE %I NOSUPERUSER NOCREATEROLE NOBYPASSRLS NOREPLICATION', rolname)
      FROM login, LATERAL (VALUES (rolsuper, 'is a superuser'), (rolcreaterole, 'has CREATEROLE'),
                                  (rolbypassrls, 'has BYPASSRLS'), (rolreplication, 'has REPLICATION'))
                          AS powers (has, power)
     WHERE has
     UNION ALL
    SELECT 11, format('the login %s inherits the rights of its roles, but must have NOINHERIT', rolname), NULL
      FROM login WHERE is_server AND rolinherit
     UNION ALL
    SELECT 12, format('the login %s may open only %s connections', rolname, rolconnlimit),
           format('ALTER ROLE %I CONNECTION LIMIT -1', rolname)
      FROM login WHERE rolconnlimit >= 0 AND rolconnlimit < CASE WHEN is_server THEN $5 ELSE 16 END
     UNION ALL
    SELECT 13, format('the password of the login %s expires: %s', rolname, rolvaliduntil),
           format('ALTER ROLE %I VALID UNTIL ''infinity''', rolname)
      FROM login WHERE isfinite(rolvaliduntil)
     UNION ALL
    SELECT 14, format('the login %s owns %s tables and the like, but must own nothing', $1, count(*)),
           format('REASSIGN OWNED BY %I TO %I', $1, current_user)
      FROM pg_catalog.pg_class c JOIN login l ON l.oid = c.relowner AND l.is_server
     HAVING count(*) > 0
     UNION ALL
    -- Roles that must be roles and nothing else.
    SELECT 20, format('the role %s %s', rolname, power),
           format('ALTER ROLE %I NOLOGIN NOSUPERUSER NOBYPASSRLS%s', rolname,
                  CASE WHEN rolname = $2 THEN '' ELSE ' NOCREATEROLE' END)
      FROM (SELECT rolname, rolcanlogin, rolsuper, rolcreaterole, rolbypassrls FROM business WHERE oid IS NOT NULL
             UNION ALL
            SELECT rolname, rolcanlogin, rolsuper, rolcreaterole AND rolname <> $2, rolbypassrls
              FROM pg_catalog.pg_roles WHERE rolname = ANY ($3) OR rolname = $2) role,
           LATERAL (VALUES (rolcanlogin, 'may sign in'), (rolsuper, 'is a superuser'),
                           (rolcreaterole, 'has CREATEROLE'), (rolbypassrls, 'has BYPASSRLS')) AS powers (has, power)
     WHERE has
     UNION ALL
    SELECT 21, format('the role %s is missing', wanted), NULL
      FROM unnest($3::text[] || ARRAY[$2, $4]) AS wanted
     WHERE NOT EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = wanted)
     UNION ALL
    SELECT 22, format('the role %s lacks CREATEROLE, so no business can be created', rolname), NULL
      FROM pg_catalog.pg_roles WHERE rolname = $2 AND NOT rolcreaterole
     UNION ALL
    SELECT 23, format('the role %s may not add roles to %s', $2, ($3::text[])[1]), NULL
     WHERE NOT EXISTS (SELECT FROM membership WHERE granted = ($3::text[])[1] AND to_whom = $2 AND admin_option)
     UNION ALL
    SELECT 24, format('the login %s is not a member of %s', $1, wanted), NULL
      FROM unnest(($3::text[])[2:3]) AS wanted
     WHERE NOT EXISTS (SELECT FROM membership WHERE granted = wanted AND to_whom = $1 AND may_set)
     UNION ALL
    SELECT 30, format('the role %s is missing', role_name), NULL FROM business WHERE oid IS NULL
     UNION ALL
    SELECT 31, format('the role %s is not in the group %s', role_name, ($3::text[])[1]), NULL
      FROM business b
     WHERE oid IS NOT NULL
       AND NOT EXISTS (SELECT FROM membership m WHERE m.member = b.oid AND m.granted = ($3::text[])[1] AND m.inherits)
     UNION ALL
    SELECT 32, format('the login %s is not a member of %s', login, role_name), NULL
      FROM business b, unnest(ARRAY[$1, current_user::text]) AS login
     WHERE oid IS NOT NULL
       AND NOT EXISTS (SELECT FROM membership m WHERE m.roleid = b.oid AND m.to_whom = login AND m.may_set)
     UNION ALL
    -- From PostgreSQL 16 on, CREATEROLE manages only the roles that it made.
    SELECT 33, format('the role %s may not manage %s', $2, role_name), NULL
      FROM business b
     WHERE oid IS NOT NULL AND current_setting('server_version_num')::integer >= 160000
       AND NOT EXISTS (SELECT FROM membership m WHERE m.roleid = b.oid AND m.to_whom = $2 AND m.admin_option)
     UNION ALL
    -- A business must have the rights of its own role and of the group, and nobody else may have those of a business.
    SELECT 40, format('the role %s is a member of %s', m.to_whom, m.granted), 'REVOKE ' || m.revoked
      FROM membership m JOIN business b ON b.oid = m.member WHERE m.granted <> ($3::text[])[1]
     UNION ALL
    SELECT 41, format('%s is a member of %s, the role of a business', m.to_whom, m.granted), 'REVOKE ' || m.revoked
      FROM membership m JOIN business b ON b.oid = m.roleid WHERE m.to_whom NOT IN ($1, current_user, $2)
     UNION ALL
    -- Before PostgreSQL 16, all memberships of a login inherit, or none.
    SELECT 42, format('the login %s inherits the rights of %s', $1, m.granted), 'REVOKE INHERIT OPTION FOR ' || m.revoked
      FROM membership m
     WHERE m.to_whom = $1 AND m.inherits AND current_setting('server_version_num')::integer >= 160000
       AND m.granted = ANY ($3 || ARRAY(SELECT rolname FROM business))
     UNION ALL
    SELECT 43, format('%s is a member of %s', m.to_whom, m.granted), 'REVOKE ' || m.revoked
      FROM membership m
     WHERE m.to_whom = ANY ($3)
        OR m.to_whom = $1 AND m.granted <> ALL ($3[2:3])
           -- Two installations of a cluster may have one login.
           AND NOT EXISTS (SELECT FROM membership b WHERE b.member = m.roleid AND b.granted = ($3::text[])[1])
     UNION ALL
    SELECT 50, format('%s may %s in this database', CASE grantee WHEN 0 THEN 'every login' ELSE pg_get_userbyid(grantee) END,
                      CASE privilege_type WHEN 'TEMPORARY' THEN 'create temporary tables' ELSE 'create schemas' END),
           CASE grantee WHEN 0 THEN NULL
                        ELSE format('REVOKE %s ON DATABASE %I FROM %I', privilege_type, datname, pg_get_userbyid(grantee)) END
      FROM this_database, aclexplode(acl)
     WHERE privilege_type IN ('TEMPORARY', 'CREATE') AND grantee <> datdba
       AND (grantee = 0 OR pg_get_userbyid(grantee) = ANY ($3 || $1 || ARRAY(SELECT role_name FROM shared.schemas))
            OR privilege_type = 'TEMPORARY' AND pg_get_userbyid(grantee) = current_user)
     UNION ALL
    SELECT 51, 'every login may connect to this database', NULL
      FROM this_database WHERE EXISTS (SELECT FROM aclexplode(acl) WHERE grantee = 0 AND privilege_type = 'CONNECT')
     UNION ALL
    SELECT 52, format('the login %s may not %s', login, what), NULL
      FROM (VALUES ($1, 'CONNECT', 'connect to this database'), (current_user::text, 'CONNECT', 'connect to this database'),
                   (current_user::text, 'CREATE', 'create schemas in this database')) AS wanted (login, privilege, what)
     WHERE NOT has_database_privilege(login, current_database(), privilege)
     UNION ALL
    SELECT 53, format('this database accepts only %s connections', datconnlimit),
           format('ALTER DATABASE %I CONNECTION LIMIT -1', datname)
      FROM this_database WHERE datconnlimit >= 0 AND datconnlimit < $5 + 16
     UNION ALL
    SELECT 54, format('every login may create objects in the schema %s', nspname),
           CASE nspname WHEN 'public' THEN NULL ELSE format('REVOKE CREATE ON SCHEMA %I FROM PUBLIC', nspname) END
      FROM pg_catalog.pg_namespace
     WHERE nspname IN ('public', 'extensions') AND has_schema_privilege('public', oid, 'CREATE')
     UNION ALL
    SELECT 55, 'the extension pg_trgm is missing from the schema extensions', NULL
     WHERE NOT EXISTS (SELECT FROM pg_catalog.pg_extension e JOIN pg_catalog.pg_namespace n ON n.oid = e.extnamespace
                        WHERE e.extname = 'pg_trgm' AND n.nspname = 'extensions')
     UNION ALL
    SELECT 56, format('%s may not use the schema extensions', role), NULL
      FROM unnest(ARRAY[current_user::text, ($3::text[])[1]]) AS role
     WHERE to_regnamespace('extensions') IS NOT NULL AND to_regrole(quote_ident(role)) IS NOT NULL
       AND NOT has_schema_privilege(role, 'extensions', 'USAGE')
     UNION ALL
    SELECT 57, format('%s gets %s on all new %s of %s', who, privilege_type, things, current_user),
           format('ALTER DEFAULT PRIVILEGES FOR ROLE %I REVOKE %s ON %s FROM %s', current_user, privilege_type, things, who)
      FROM pg_catalog.pg_default_acl d, aclexplode(d.defaclacl) a,
           LATERAL (SELECT CASE d.defaclobjtype WHEN 'r' THEN 'TABLES' WHEN 'S' THEN 'SEQUENCES' WHEN 'f' THEN 'FUNCTIONS'
                                                WHEN 'n' THEN 'SCHEMAS' ELSE 'TYPES' END AS things,
                           CASE a.grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(a.grantee)) END AS who) named
     WHERE d.defaclnamespace = 0 AND d.defaclrole = to_regrole(quote_ident(current_user)) AND a.grantee <> d.defaclrole
       AND NOT (a.grantee = 0 AND d.defaclobjtype IN ('f', 'T'))
     UNION ALL
    SELECT 58, format('%s starts with %s', coalesce(r.rolname, 'every login of this database'), setting),
           CASE WHEN r.rolname IS NULL THEN format('ALTER DATABASE %I RESET %s', current_database(), split_part(setting, '=', 1))
                ELSE format('ALTER ROLE %I%s RESET %s', r.rolname,
                            CASE s.setdatabase WHEN 0 THEN '' ELSE format(' IN DATABASE %I', current_database()) END,
                            split_part(setting, '=', 1)) END
      FROM pg_catalog.pg_db_role_setting s
      LEFT JOIN pg_catalog.pg_roles r ON r.oid = s.setrole, unnest(s.setconfig) AS setting
     WHERE (s.setdatabase = 0 OR s.setdatabase = (SELECT oid FROM this_database))
       AND (s.setrole = 0 OR r.rolname IN ($1, current_user))
       AND split_part(setting, '=', 1) IN ('role', 'row_security', 'session_replication_role',
                                          'default_transaction_read_only', 'default_transaction_isolation')
)
SELECT text, cure FROM complaint ORDER BY place, text
