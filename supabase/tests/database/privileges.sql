-- Least privilege as a whole: what the catalogue grants is on these lists, and nothing else is.
begin;
\ir stage.psql
select plan(11);

create temporary table functions as
select n.nspname::text as schema, p.proname::text as name, p.oid, p.prosecdef as definer, p.proconfig as settings
from pg_proc p join pg_namespace n on n.oid = p.pronamespace
where n.nspname in ('public', 'private')
  and not exists (select from pg_depend d where d.objid = p.oid and d.deptype = 'e');

select is_empty($$ select name from functions where schema = 'public' and definer $$,
  'no function that clients reach by name runs with its owner''s rights');
select set_eq($$ select distinct name from functions where definer
    and (has_function_privilege('authenticated', oid, 'execute') or has_function_privilege('anon', oid, 'execute')) $$,
  $$ values ('ingest_signals'), ('watch_signals'), ('unwatch_signals'),
    ('next_day'), ('machines_named'), ('machine_names'), ('oversees_platform'), ('platform_pulse'), ('machine_health'),
    ('performance_by'), ('traded_signals'), ('compacted_days'), ('compacted_tallies'), ('machine_attribution'), ('source_comparison'),
    ('own_unprotected_positions'), ('set_account_status'), ('set_risk_limits'), ('close_position'), ('close_account'), ('close_everything'), ('acknowledge_alert'),
    ('save_backtest') $$,
  'these are all that users execute with its owner''s rights');
select is_empty($$ select schema || '.' || name from functions where has_function_privilege('anon', oid, 'execute') $$,
  'anonymous executes nothing');
select is_empty($$ select name from functions where not exists (select from unnest(settings) s where s = 'search_path=""') $$,
  'every function has an empty search_path');
select is_empty($$ select c.relname from pg_class c where c.relkind in ('r', 'p')
  and c.relnamespace in ('public'::regnamespace, 'private'::regnamespace, 'partitions'::regnamespace) and not c.relrowsecurity $$,
  'every table has row level security');
select is_empty($$ select table_name, privilege_type from information_schema.role_table_grants
  where grantee in ('anon', 'PUBLIC') and table_schema in ('public', 'private', 'partitions', 'analytics') $$,
  'anonymous has no right on any table');
select is_empty($$ select s.nspname, r from pg_namespace s, unnest(array['anon', 'authenticated', 'service_role', 'signal_worker', 'analyst',
    'trading_bridge']) r where s.nspname in ('partitions', 'analytics') and has_schema_privilege(r, s.oid, 'usage') $$,
  'nobody reaches the partitions or the analytics');
select is_empty($$ select table_schema, table_name from information_schema.role_table_grants
  where table_schema in ('private', 'partitions') and grantee in ('authenticated', 'service_role', 'signal_worker', 'analyst', 'trading_bridge') $$,
  'nobody has a right on a private table');
select is_empty($$ select table_name, grantee, privilege_type from information_schema.role_table_grants
  where table_schema = 'public' and grantee in ('signal_worker', 'analyst')
    and (grantee, table_name, privilege_type) not in (
      values ('signal_worker', 'traders', 'SELECT'), ('analyst', 'traders', 'SELECT'),
      ('signal_worker', 'cloud_machines', 'SELECT'), ('analyst', 'cloud_machines', 'SELECT'),
      ('signal_worker', 'status_transitions', 'SELECT'), ('analyst', 'status_transitions', 'SELECT'),
      ('signal_worker', 'outcome_codes', 'SELECT'), ('analyst', 'outcome_codes', 'SELECT')) $$,
  'workers and analysts read the law, the traders and themselves, and write by functions');
select set_eq($$ select table_name::text, privilege_type::text from information_schema.role_table_grants
  where grantee = 'archivist' and table_schema not in ('pg_catalog', 'information_schema') $$,
  $$ values ('signals', 'SELECT'), ('signal_events', 'SELECT'), ('signal_monitoring_snapshots', 'SELECT'),
    ('archive_files', 'SELECT'), ('audit_seals', 'SELECT') $$,
  'the archive reads history and its books, and writes by functions');
select is_empty($$ select role, member from (
    select r.rolname::text as role, m.rolname::text as member from pg_auth_members a
    join pg_roles r on r.oid = a.roleid join pg_roles m on m.oid = a.member
  ) g where role in ('signal_worker', 'analyst', 'trading_bridge') and member not in ('authenticator', 'postgres') $$,
  'only authenticator and postgres become machines');

select * from finish();
rollback;
