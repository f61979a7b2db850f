-- The settings (`alter role … set …`) of the roles that this login can become, as far as it may set them itself.
select
  r.rolname::text as role,
  pg_catalog.jsonb_object_agg(s.name, pg_catalog.substr(c.setting, pg_catalog.strpos(c.setting, '=') + 1)) as settings
from pg_catalog.pg_auth_members m
join pg_catalog.pg_roles r on r.oid = m.roleid
cross join lateral pg_catalog.unnest(r.rolconfig) as c (setting)
join pg_catalog.pg_settings s on s.name = pg_catalog.split_part(c.setting, '=', 1)
where m.member = current_user::regrole
  and (s.context = 'user' or pg_catalog.has_parameter_privilege(s.name, 'set'))
group by r.rolname
