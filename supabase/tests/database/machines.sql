-- A machine registers under the name in its token and under no other, and sends heartbeats from then on.
begin;
\ir stage.psql
select plan(12);

select matches(pg_temp.as_role('signal_worker', 'vyx-1',
  'select public.register_machine(''vyx-1'', ''fra'', ''{signals}'', ''0.1'')'), '^[0-9a-f-]{36}$', 'a machine registers itself');
select is(
  pg_temp.as_role('analyst', 'vyx-1', 'select public.register_machine(''vyx-1'', ''ams'', ''{signals,analysis}'', ''0.2'')'),
  (select id::text from public.cloud_machines where machine_id = 'vyx-1'), 'again, it is the same machine');
select is((select region from public.cloud_machines where machine_id = 'vyx-1'), 'ams', 'with what it said last');
select alike(pg_temp.as_role('signal_worker', 'vyx-1',
  'select public.register_machine(''vyx-2'', ''fra'', ''{signals}'', ''0.1'')'), '42501%vyx-1%vyx-2%', 'not as another');
select alike(pg_temp.as_role('signal_worker', 'vyx-1',
  'select public.register_machine(''vyx-1'', ''fra'', ''{mining}'', ''0.1'')'), '23514%a machine runs known roles%',
  'only with known roles');
select is(pg_temp.as_role('signal_worker', 'vyx-1', 'select public.machine_heartbeat(''running'', ''{"lag": 1}'')'), '',
  'a heartbeat is taken');
select alike(pg_temp.as_role('signal_worker', 'vyx-1', 'select public.machine_heartbeat(''running'', ''{"lag": 1e9999}'')'),
  '23514%the details of a machine fit in 16 KB%', 'unless a number in it explodes');
select alike(pg_temp.as_role('signal_worker', 'vyx-1',
  'select public.machine_heartbeat(''running'', jsonb_build_object(''lag'', repeat(''x'', 20000)))'),
  '23514%the details of a machine fit in 16 KB%', 'or it is too large');
select alike(pg_temp.as_role('signal_worker', 'vyx-1',
  'select public.register_machine(''vyx-1'', repeat(''f'', 101), ''{signals}'', ''0.1'')'),
  '23514%at most 100 letters%', 'nor is a region of any length');
select results_eq('select status, details from public.cloud_machines where machine_id = ''vyx-1''',
  $$ values ('running', '{"lag": 1}'::jsonb) $$, 'and recorded');
select alike(pg_temp.as_role('signal_worker', 'vyx-9', 'select public.machine_heartbeat(''running'', ''{}'')'),
  '42501%vyx-9 is not registered%', 'a stranger''s heartbeat is refused');
select is(pg_temp.as_role('analyst', 'stage-analyst', 'select string_agg(machine_id, '','') from public.cloud_machines'),
  'stage-analyst', 'a machine reads itself alone');

select * from finish();
rollback;
