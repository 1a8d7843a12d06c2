-- Lists what one schema consists of, one line each, with the statement that makes the line and the statement that
-- removes it. $1 is the name of the schema, $2 the name of its role; the lines contain <schema> and <role> instead, so
-- that all schemas of one version have the same lines. Every lookup uses the oid of the schema or of a table, and never
-- reads all schemas.
--   of_object the object to which the line belongs
--   is_right  whether the line is about rights: owners, grants, policies and row level security
--   rank      the order in which lines are made; they are removed in the opposite order
WITH here AS (
    SELECT n.oid, n.nspowner, n.nspacl, quote_ident(n.nspname) || '.' AS prefix
      FROM pg_catalog.pg_namespace n WHERE n.nspname = $1
), relation AS (
    SELECT c.oid, c.relkind, c.relowner, c.relacl, c.reloptions, c.relrowsecurity, c.relforcerowsecurity, here.prefix,
           quote_ident(c.relname) AS name, '<schema>.' || quote_ident(c.relname) AS target,
           CASE c.relkind WHEN 'r' THEN 'table' WHEN 'p' THEN 'table' WHEN 'S' THEN 'sequence' WHEN 'v' THEN 'view'
                          WHEN 'm' THEN 'materialized view' WHEN 'f' THEN 'foreign table' END AS kind
      FROM here
      -- pg_class has no index on the schema. pg_depend has an index, and each object depends on its schema.
      JOIN pg_catalog.pg_depend d ON d.refclassid = 'pg_namespace'::regclass AND d.refobjid = here.oid
                                 AND d.classid = 'pg_class'::regclass
      JOIN pg_catalog.pg_class c ON c.oid = d.objid AND c.relkind IN ('r', 'p', 'S', 'v', 'm', 'f')
), attribute AS (
    SELECT r.name || '.' || quote_ident(a.attname) AS name, r.kind || ' ' || r.name AS of_object, r.target, quote_ident(a.attname) AS attname, a.attrelid,
           a.attnum, a.attnotnull, a.attacl, a.attidentity, a.attgenerated, r.kind, r.prefix,
           format_type(a.atttypid, a.atttypmod)
           || coalesce(' COLLATE ' || quote_ident(l.collname), '') AS type
      FROM relation r
      JOIN pg_catalog.pg_attribute a ON a.attrelid = r.oid AND a.attnum > 0 AND NOT a.attisdropped
      JOIN pg_catalog.pg_type t ON t.oid = a.atttypid
      LEFT JOIN pg_catalog.pg_collation l ON l.oid = a.attcollation AND a.attcollation <> t.typcollation
     WHERE r.kind IN ('table', 'view')
), function AS (
    SELECT p.oid, p.proowner, p.proacl, here.prefix, p.prokind,
           format('%I(%s)', p.proname, pg_get_function_identity_arguments(p.oid)) AS name
      FROM here JOIN pg_catalog.pg_proc p ON p.pronamespace = here.oid
     -- The bootstrap makes these two, and the doctor checks them by themselves.
     WHERE p.proname NOT IN ('make_tenant_role', 'drop_tenant_role')
), object AS (
    SELECT 'schema' AS kind, NULL AS name, '<schema>' AS target, nspowner AS owner, nspacl AS acl,
           acldefault('n', nspowner) AS usual
      FROM here
     UNION ALL
    SELECT kind, name, target, relowner, relacl,
           acldefault((CASE kind WHEN 'sequence' THEN 's' ELSE 'r' END)::"char", relowner)
      FROM relation
     UNION ALL
    SELECT CASE prokind WHEN 'p' THEN 'procedure' ELSE 'function' END, name, '<schema>.' || name, proowner, proacl,
           acldefault('f', proowner)
      FROM function
), allowed AS (
    SELECT CASE WHEN kind IN ('view', 'materialized view', 'foreign table') THEN 'table' ELSE kind END AS kind,
           concat_ws(' ', o.kind, o.name) AS of_object, o.name, o.target, o.owner, a.grantee, a.privilege_type AS privilege, a.is_grantable
      FROM object o, aclexplode(coalesce(o.acl, o.usual)) a
     UNION ALL
    SELECT 'table', a.of_object, a.name, a.target, c.relowner, x.grantee, format('%s (%s)', x.privilege_type, a.attname), x.is_grantable
      FROM attribute a JOIN pg_catalog.pg_class c ON c.oid = a.attrelid, aclexplode(a.attacl) x
), line (text, of_object, rank, is_right, make, unmake) AS (
    SELECT concat_ws(' ', kind, name), concat_ws(' ', kind, name), 10, false,
           CASE kind WHEN 'schema' THEN 'CREATE SCHEMA <schema>' WHEN 'table' THEN format('CREATE TABLE %s ()', target)
                     WHEN 'sequence' THEN format('CREATE SEQUENCE %s', target) END,
           CASE WHEN kind <> 'schema' THEN format('DROP %s IF EXISTS %s CASCADE', upper(kind), target) END
      FROM object WHERE kind NOT IN ('function', 'procedure')
     UNION ALL
    SELECT format('view %s is %s', name, md5(pg_get_viewdef(oid))), concat_ws(' ', kind, name), 40, false,
           format('CREATE OR REPLACE VIEW %s AS %s', target, replace(pg_get_viewdef(oid), prefix, '<schema>.')), NULL
      FROM relation WHERE kind = 'view'
     UNION ALL
    SELECT format('option %s %s', name, option), concat_ws(' ', kind, name), 12, false, format('ALTER TABLE %s SET (%s)', target, option),
           format('ALTER TABLE %s RESET (%s)', target, split_part(option, '=', 1))
      FROM relation, unnest(reloptions) AS option WHERE kind = 'table'
     UNION ALL
    SELECT 'column ' || name, of_object, 11, false, format('ALTER TABLE %s ADD COLUMN %s %s', target, attname, type),
           format('ALTER TABLE %s DROP COLUMN IF EXISTS %s CASCADE', target, attname)
      FROM attribute WHERE kind = 'table'
     UNION ALL
    SELECT format('type of %s: %s', name, type), of_object, 12, false,
           format('ALTER TABLE %s ALTER COLUMN %s TYPE %s', target, attname, type), NULL
      FROM attribute WHERE kind = 'table'
     UNION ALL
    SELECT format('not null: %s', name), of_object, 14, false,
           format('ALTER TABLE %s ALTER COLUMN %s SET NOT NULL', target, attname),
           format('ALTER TABLE %s ALTER COLUMN %s DROP NOT NULL', target, attname)
      FROM attribute WHERE kind = 'table' AND attnotnull
     UNION ALL
    SELECT format('default of %s: %s', a.name, replace(pg_get_expr(d.adbin, d.adrelid), a.prefix, '')), a.of_object, 13, false,
           format('ALTER TABLE %s ALTER COLUMN %s SET DEFAULT %s', a.target, a.attname,
                  replace(pg_get_expr(d.adbin, d.adrelid), a.prefix, '<schema>.')),
           format('ALTER TABLE %s ALTER COLUMN %s DROP DEFAULT', a.target, a.attname)
      FROM attribute a JOIN pg_catalog.pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
     WHERE a.kind = 'table' AND a.attidentity = '' AND a.attgenerated = ''
     UNION ALL
    SELECT 'generated: ' || name, of_object, 13, false, NULL, NULL
      FROM attribute WHERE attidentity <> '' OR attgenerated <> ''
     UNION ALL
    SELECT format('constraint %s %I %s%s', r.name, k.conname, replace(pg_get_constraintdef(k.oid), r.prefix, ''),
                  CASE WHEN k.convalidated THEN '' ELSE ' not valid' END),
           r.kind || ' ' || r.name,
           CASE WHEN k.contype IN ('p', 'u', 'x') THEN 15 ELSE 16 END, false,
           format('ALTER TABLE %s ADD CONSTRAINT %I %s', r.target, k.conname,
                  replace(pg_get_constraintdef(k.oid), r.prefix, '<schema>.')),
           format('ALTER TABLE %s DROP CONSTRAINT IF EXISTS %I CASCADE', r.target, k.conname)
      -- From PostgreSQL 18 on, NOT NULL is a constraint too. It has a line of its own.
      FROM relation r JOIN pg_catalog.pg_constraint k ON k.conrelid = r.oid AND k.contype IN ('p', 'u', 'x', 'c', 'f')
     UNION ALL
    SELECT format('index %s %s%s', r.name, replace(pg_get_indexdef(i.indexrelid), r.prefix, ''),
                  CASE WHEN i.indisvalid THEN '' ELSE ' invalid' END),
           r.kind || ' ' || r.name,
           17, false, replace(pg_get_indexdef(i.indexrelid), r.prefix, '<schema>.'),
           format('DROP INDEX IF EXISTS <schema>.%I', c.relname)
      FROM relation r
      JOIN pg_catalog.pg_index i ON i.indrelid = r.oid
      JOIN pg_catalog.pg_class c ON c.oid = i.indexrelid
     WHERE NOT EXISTS (SELECT FROM pg_catalog.pg_constraint k
                        WHERE k.conindid = i.indexrelid AND k.conrelid = r.oid AND k.contype IN ('p', 'u', 'x'))
     UNION ALL
    SELECT format('trigger %s %s%s', r.name, replace(pg_get_triggerdef(t.oid), r.prefix, ''),
                  CASE t.tgenabled WHEN 'O' THEN '' ELSE ' disabled' END),
           r.kind || ' ' || r.name,
           30, false, replace(pg_get_triggerdef(t.oid), r.prefix, '<schema>.'),
           format('DROP TRIGGER IF EXISTS %I ON %s', t.tgname, r.target)
      FROM relation r JOIN pg_catalog.pg_trigger t ON t.tgrelid = r.oid AND NOT t.tgisinternal
     UNION ALL
    SELECT format('rule %s %I', r.name, w.rulename), r.kind || ' ' || r.name, 30, false, replace(pg_get_ruledef(w.oid), r.prefix, '<schema>.'),
           format('DROP RULE IF EXISTS %I ON %s', w.rulename, r.target)
      FROM relation r JOIN pg_catalog.pg_rewrite w ON w.ev_class = r.oid AND w.rulename <> '_RETURN'
     UNION ALL
    SELECT 'function ' || name, 'function ' || name, 20, false, replace(pg_get_functiondef(oid), prefix, '<schema>.'),
           format('DROP FUNCTION IF EXISTS <schema>.%s CASCADE', name)
      FROM function WHERE prokind = 'f'
     UNION ALL
    SELECT format('function %s is %s', name, md5(replace(pg_get_functiondef(oid), prefix, ''))), 'function ' || name, 21, false,
           replace(pg_get_functiondef(oid), prefix, '<schema>.'), NULL
      FROM function WHERE prokind = 'f'
     UNION ALL
    SELECT 'routine ' || name, 'routine ' || name, 20, false, NULL, format('DROP ROUTINE IF EXISTS <schema>.%s CASCADE', name)
      FROM function WHERE prokind <> 'f'
     UNION ALL
    SELECT 'type ' || quote_ident(t.typname), 'type ' || quote_ident(t.typname), 9, false, NULL, format('DROP TYPE IF EXISTS <schema>.%I CASCADE', t.typname)
      FROM here JOIN pg_catalog.pg_type t ON t.typnamespace = here.oid AND t.typtype IN ('e', 'd', 'r')
     UNION ALL
    SELECT format('owner of %s: %s', concat_ws(' ', kind, name), pg_get_userbyid(owner)), concat_ws(' ', kind, name), 50, false,
           format('ALTER %s %s OWNER TO %I', upper(kind), target, pg_get_userbyid(owner)), NULL
      FROM object
     UNION ALL
    -- The owner's own rights, without those that only newer versions of PostgreSQL have.
    SELECT 'rights of the owner on ' || concat_ws(' ', kind, name), concat_ws(' ', kind, name), 60, true,
           format('GRANT ALL ON %s %s TO %I',
                  CASE WHEN kind IN ('view', 'materialized view', 'foreign table') THEN 'TABLE' ELSE upper(kind) END, target,
                  pg_get_userbyid(owner)), NULL
      FROM object o
     WHERE acl IS NULL
        OR NOT EXISTS (SELECT FROM aclexplode(usual) u
                        WHERE u.grantee = o.owner AND u.privilege_type <> 'MAINTAIN'
                          AND NOT EXISTS (SELECT FROM aclexplode(acl) a
                                           WHERE a.grantee = o.owner AND a.privilege_type = u.privilege_type))
     UNION ALL
    SELECT format('grant of %s on %s to %s%s', privilege, concat_ws(' ', kind, name), who,
                  CASE WHEN is_grantable THEN ' with grant option' ELSE '' END),
           of_object,
           60, true,
           format('GRANT %s ON %s %s TO %s%s', privilege, upper(kind), target, who,
                  CASE WHEN is_grantable THEN ' WITH GRANT OPTION' ELSE '' END),
           format('REVOKE %s ON %s %s FROM %s CASCADE', privilege, upper(kind), target, who)
      FROM allowed, LATERAL (SELECT CASE WHEN grantee = 0 THEN 'PUBLIC' WHEN pg_get_userbyid(grantee) = $2 THEN '<role>'
                                         ELSE quote_ident(pg_get_userbyid(grantee)) END AS who) named
     WHERE grantee <> owner
     UNION ALL
    SELECT format('default privilege of %I: %s on %s to %s', maker, privilege_type, things, who), 'schema', 60, true,
           format('ALTER DEFAULT PRIVILEGES FOR ROLE %I IN SCHEMA <schema> GRANT %s ON %s TO %s', maker, privilege_type,
                  things, who),
           format('ALTER DEFAULT PRIVILEGES FOR ROLE %I IN SCHEMA <schema> REVOKE %s ON %s FROM %s', maker, privilege_type,
                  things, who)
      FROM here
      JOIN pg_catalog.pg_default_acl d ON d.defaclnamespace = here.oid, aclexplode(d.defaclacl) a,
           LATERAL (SELECT pg_get_userbyid(d.defaclrole) AS maker,
                           CASE d.defaclobjtype WHEN 'r' THEN 'TABLES' WHEN 'S' THEN 'SEQUENCES'
                                                WHEN 'f' THEN 'FUNCTIONS' ELSE 'TYPES' END AS things,
                           CASE WHEN a.grantee = 0 THEN 'PUBLIC' WHEN pg_get_userbyid(a.grantee) = $2 THEN '<role>'
                                ELSE quote_ident(pg_get_userbyid(a.grantee)) END AS who) named
     UNION ALL
    SELECT 'row level security on ' || name, concat_ws(' ', kind, name), 61, true, format('ALTER TABLE %s ENABLE ROW LEVEL SECURITY', target),
           format('ALTER TABLE %s DISABLE ROW LEVEL SECURITY', target)
      FROM relation WHERE relrowsecurity
     UNION ALL
    SELECT 'row level security for the owner on ' || name, concat_ws(' ', kind, name), 61, true,
           format('ALTER TABLE %s FORCE ROW LEVEL SECURITY', target),
           format('ALTER TABLE %s NO FORCE ROW LEVEL SECURITY', target)
      FROM relation WHERE relforcerowsecurity
     UNION ALL
    SELECT format('policy %s: %I %s', r.name, p.polname, replace(rest, r.prefix, '')), r.kind || ' ' || r.name, 62, true,
           format('CREATE POLICY %I ON %s %s', p.polname, r.target, replace(rest, r.prefix, '<schema>.')),
           format('DROP POLICY IF EXISTS %I ON %s', p.polname, r.target)
      FROM relation r
      JOIN pg_catalog.pg_policy p ON p.polrelid = r.oid,
           LATERAL (SELECT concat('AS ', CASE WHEN p.polpermissive THEN 'PERMISSIVE' ELSE 'RESTRICTIVE' END, ' FOR ',
                                  CASE p.polcmd WHEN 'r' THEN 'SELECT' WHEN 'a' THEN 'INSERT' WHEN 'w' THEN 'UPDATE'
                                                WHEN 'd' THEN 'DELETE' ELSE 'ALL' END, ' TO ',
                                  (SELECT string_agg(CASE role WHEN 0 THEN 'PUBLIC'
                                                               ELSE quote_ident(pg_get_userbyid(role)) END, ', '
                                                     ORDER BY pg_get_userbyid(role))
                                     FROM unnest(p.polroles) AS role),
                                  ' USING (' || pg_get_expr(p.polqual, p.polrelid) || ')',
                                  ' WITH CHECK (' || pg_get_expr(p.polwithcheck, p.polrelid) || ')') AS rest) told
)
SELECT text, of_object, rank, is_right, make, unmake FROM line ORDER BY text COLLATE "C"
