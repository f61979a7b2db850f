select json_build_object(
  'version', current_setting('server_version_num')::integer,
  'now', extract(epoch from clock_timestamp()),
  'user', current_user,
  'superuser', (select rolsuper from pg_roles where rolname = current_user),
  'cron_available', exists (select from pg_available_extensions where name = 'pg_cron'),
  'cron_here', exists (select from pg_extension where extname = 'pg_cron'),
  'cron_database', coalesce(current_setting('cron.database_name', true), 'postgres') = current_database(),
  'roles', coalesce((select json_object_agg(r.rolname, json_build_object(
      'granted', pg_has_role('authenticator', r.oid, 'member'),
      'bypasses', r.rolsuper or r.rolbypassrls, 'logs_in', r.rolcanlogin))
    from pg_roles r where r.rolname in ('signal_worker', 'analyst', 'trading_bridge', 'archivist')
      and exists (select from pg_roles where rolname = 'authenticator')), '{}'),
  'open_tables', coalesce((select json_agg(c.relname order by c.relname) from pg_class c
    where c.relkind in ('r', 'p') and not c.relrowsecurity
      and c.relnamespace in (to_regnamespace('public'), to_regnamespace('private'), to_regnamespace('partitions'))), '[]'),
  'anonymous', coalesce((select json_agg(distinct x.name order by x.name) from (
    select c.relname::text as name from pg_class c
    where c.relkind in ('r', 'p', 'v', 'm') and c.relnamespace = to_regnamespace('public')
      and has_table_privilege('anon', c.oid, 'select, insert, update, delete')
    union all
    select p.proname::text || '()' from pg_proc p
    where p.pronamespace in (to_regnamespace('public'), to_regnamespace('private'))
      and has_function_privilege('anon', p.oid, 'execute')
      and not exists (select from pg_depend d where d.objid = p.oid and d.deptype = 'e')) x), '[]'),
  'exposed', coalesce((select json_agg(s.nspname order by s.nspname) from pg_namespace s
    where s.nspname in ('partitions', 'analytics') and has_schema_privilege('authenticated', s.oid, 'usage')), '[]'),
  'policies', (select count(*) from pg_policies where schemaname = 'public'),
  'pushed', to_regclass('supabase_migrations.schema_migrations') is not null
) as facts
