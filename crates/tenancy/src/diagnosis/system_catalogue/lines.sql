-- Lists every object in one schema that a migration can create, one line each, without the names of the
-- schema and its role. $1 is the name of the schema, $2 the name of its role. Every lookup uses the oid of
-- the schema or of a table, and never reads all schemas.
WITH here AS (
    SELECT oid, nspacl, quote_ident(nspname) || '.' AS prefix FROM pg_catalog.pg_namespace WHERE nspname = $1
), relation AS (
    SELECT c.oid, c.relname, c.relkind, c.relacl, c.reloptions, c.relrowsecurity, c.relforcerowsecurity, here.prefix
      FROM here
      -- pg_class has no index on the schema. pg_depend has an index, and each object depends on its schema.
      JOIN pg_catalog.pg_depend d ON d.refclassid = 'pg_namespace'::regclass AND d.refobjid = here.oid
                                 AND d.classid = 'pg_class'::regclass
      JOIN pg_catalog.pg_class c ON c.oid = d.objid
), line AS (
    -- Each grant has its own line, because the catalogue keeps grants in the order in which they were given.
    SELECT 'schema grant ' || replace(acl::text, $2, '<role>') AS text FROM here, unnest(nspacl) AS acl
     UNION ALL
    SELECT 'grant ' || relname || ' ' || replace(acl::text, $2, '<role>') FROM relation, unnest(relacl) AS acl
     UNION ALL
    SELECT 'grant ' || r.relname || '.' || a.attname || ' ' || replace(acl::text, $2, '<role>')
      FROM relation r JOIN pg_catalog.pg_attribute a ON a.attrelid = r.oid, unnest(a.attacl) AS acl
     UNION ALL
    SELECT 'default privilege ' || d.defaclobjtype::text || ' ' || acl::text
      FROM here JOIN pg_catalog.pg_default_acl d ON d.defaclnamespace = here.oid, unnest(d.defaclacl) AS acl
     UNION ALL
    SELECT CASE relkind WHEN 'r' THEN 'table ' WHEN 'S' THEN 'sequence ' WHEN 'v' THEN 'view '
                        ELSE relkind::text || ' ' END
           || relname || coalesce(' with ' || reloptions::text, '') || CASE WHEN relrowsecurity THEN ' rls' ELSE '' END
           || CASE WHEN relforcerowsecurity THEN ' forced' ELSE '' END
      FROM relation
     UNION ALL
    -- The order of the columns matters too, because a copy writes them in this order.
    SELECT 'column ' || r.relname || ' ' || row_number() OVER (PARTITION BY r.oid ORDER BY a.attnum) || ' ' || a.attname
           || ' ' || format_type(a.atttypid, a.atttypmod) || CASE WHEN a.attnotnull THEN ' not null' ELSE '' END
           || coalesce(' default ' || replace(pg_get_expr(d.adbin, d.adrelid), r.prefix, ''), '')
           || CASE WHEN a.attidentity <> '' OR a.attgenerated <> '' THEN ' generated' ELSE '' END
      FROM relation r
      JOIN pg_catalog.pg_attribute a ON a.attrelid = r.oid AND a.attnum > 0 AND NOT a.attisdropped
      LEFT JOIN pg_catalog.pg_attrdef d ON d.adrelid = r.oid AND d.adnum = a.attnum
     WHERE r.relkind IN ('r', 'v')
     UNION ALL
    SELECT 'constraint ' || r.relname || ' ' || k.conname || ' ' || replace(pg_get_constraintdef(k.oid), r.prefix, '')
           || CASE WHEN k.convalidated THEN '' ELSE ' not valid' END
      FROM relation r JOIN pg_catalog.pg_constraint k ON k.conrelid = r.oid
     UNION ALL
    SELECT 'index ' || r.relname || ' ' || replace(pg_get_indexdef(i.indexrelid), r.prefix, '')
           || CASE WHEN i.indisvalid THEN '' ELSE ' invalid' END
      FROM relation r JOIN pg_catalog.pg_index i ON i.indrelid = r.oid
     WHERE r.relkind = 'r'
     UNION ALL
    SELECT 'trigger ' || r.relname || ' ' || replace(pg_get_triggerdef(t.oid), r.prefix, '')
      FROM relation r JOIN pg_catalog.pg_trigger t ON t.tgrelid = r.oid AND NOT t.tgisinternal
     UNION ALL
    SELECT 'policy ' || r.relname || ' ' || p.polname
      FROM relation r JOIN pg_catalog.pg_policy p ON p.polrelid = r.oid
     UNION ALL
    SELECT 'function ' || p.proname || ' ' || md5(p.prosrc)
      FROM here JOIN pg_catalog.pg_proc p ON p.pronamespace = here.oid
     UNION ALL
    SELECT 'type ' || t.typname
      FROM here JOIN pg_catalog.pg_type t ON t.typnamespace = here.oid AND t.typtype IN ('e', 'd', 'r')
)
SELECT text FROM line ORDER BY text COLLATE "C"
