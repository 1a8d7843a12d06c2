SELECT a.name, a.description, a.has_businesses, a.is_built_in, a.version,
       coalesce((SELECT jsonb_agg(jsonb_strip_nulls(jsonb_build_object(
                            'key', p.key, 'description', nullif(p.description, ''))))
                   FROM shared.permissions p WHERE p.app = a.slug), '[]') AS permissions,
       coalesce((SELECT jsonb_agg(jsonb_build_object('app', b.owner_app, 'key', b.permission))
                   FROM shared.borrowed_permissions b WHERE b.app = a.slug), '[]') AS borrowed_permissions,
       coalesce((SELECT jsonb_agg(jsonb_strip_nulls(jsonb_build_object(
                            'key', r.key, 'name', r.name, 'description', nullif(r.description, ''),
                            'permissions', ARRAY(SELECT rp.permission FROM shared.role_permissions rp
                                                  WHERE rp.app = r.app AND rp.role_scope = r.scope
                                                    AND rp.role = r.key))))
                   FROM shared.roles r WHERE r.app = a.slug AND r.tenant_id IS NULL), '[]') AS roles
  FROM shared.apps a
 WHERE a.slug = $1
