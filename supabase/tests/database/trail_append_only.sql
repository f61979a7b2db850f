-- Nobody changes, removes or truncates an event or a snapshot, whatever their role, nor on a partition.
begin;
\ir stage.psql
select plan(16);

select pg_temp.make_ready() as signal \gset
select 'partitions.' || private.partition_name('signal_events', private.utc_day(now() - interval '1 minute')) as partition \gset

select alike(pg_temp.as_role(r.role_name, r.who, s.statement), '42501%', r.role_name || ': ' || s.statement)
from (values ('authenticated', pg_temp.ann()::text), ('service_role', null), ('signal_worker', 'stage-worker'),
  ('analyst', 'stage-analyst'), ('trading_bridge', 'stage-bridge')) r (role_name, who),
  (values ('update public.signal_events set worker = ''me'''), ('delete from public.signal_events')) s (statement);

select throws_like('update public.signal_events set worker = ''me''', 'signal_events%append-only: update is refused', 'the owner');
select throws_like('delete from public.signal_events', '%append-only: delete is refused', 'the owner');
select throws_like('truncate public.signal_events', '%append-only: truncate is refused', 'the owner');
select throws_like(format('update %s set worker = ''me''', :'partition'), '%append-only: update is refused', 'on a partition');
select throws_like(format('truncate %s', :'partition'), '%append-only: truncate is refused', 'on a partition');
select throws_like('delete from public.signal_monitoring_snapshots', '%append-only: delete is refused', 'a snapshot');

select * from finish();
rollback;
