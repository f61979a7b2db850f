-- The doctor finds what is wrong and says what to do; only operators ask.
begin;
\ir stage.psql
select plan(9);

create function pg_temp.check_of(wanted text) returns jsonb language sql as $$
  select c from jsonb_array_elements(pg_temp.as_role('service_role', null, 'select public.doctor()')::jsonb -> 'checks') c
  where c ->> 'name' = wanted;
$$;
update public.cloud_machines set last_heartbeat_at = now();

select is((pg_temp.check_of('partitions') -> 'ok'), 'true', 'partitions are well');
select is((pg_temp.check_of('jobs') -> 'found' -> 'missing'), '[]', 'all jobs are scheduled');
select is((pg_temp.check_of('machines') -> 'ok'), 'true', 'machines that speak are well');

delete from private.partition_days where day > (now() at time zone 'UTC')::date + 5;
select is((pg_temp.check_of('partitions') -> 'ok'), 'false', 'days that run out are not');
select alike(pg_temp.check_of('partitions') ->> 'advice', '%ensure_partitions%', 'it says what to do');
update public.cloud_machines set status = 'running', last_heartbeat_at = now() - interval '2 minutes' where machine_id = 'stage-bridge';
select is(pg_temp.check_of('machines') #>> '{found,0,machine_id}', 'stage-bridge', 'a silent machine is named');
select pg_temp.make_signal() as signal \gset
insert into public.signal_queue (signal_id, stage, available_at)
values (public.signal_id_floor(now() - interval '1 hour'), 'analysis', now());
select private.find_orphans(private.utc_day(now() - interval '1 hour')) \g /dev/null
select is(pg_temp.check_of('orphans') -> 'found' ->> 'queue', '1', 'a queue row without its signal is an orphan');
select is((pg_temp.as_role('service_role', null, 'select public.doctor()')::jsonb -> 'ok'), 'false', 'then all is not well');
select alike(pg_temp.as_role('authenticated', pg_temp.ann()::text, 'select public.doctor()'), '42501%', 'users do not ask');

select * from finish();
rollback;
