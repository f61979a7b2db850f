-- The doctor finds what is wrong and says what to do; only operators ask.
begin;
\ir stage.psql
select plan(32);

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

-- Venues.
select is(pg_temp.check_of('venues') -> 'ok', 'true', 'venues of which nobody complains are well');
update public.cloud_machines set status = 'running', last_heartbeat_at = now(), details = '{"venues": {
  "bybit": {"breaker": {"state": "open", "why": "RequestTimeout"}, "clock": {"sound": true, "offset_ms": 3}},
  "okx": {"breaker": {"state": "closed"}, "clock": {"sound": true, "offset_ms": null}}}}'
where machine_id = 'stage-bridge';
select is(pg_temp.check_of('venues') - 'advice', '{"name": "venues", "ok": false, "found": [{"machine_id": "stage-bridge",
  "venue": "bybit", "breaker": "open", "why": "RequestTimeout", "clock_sound": "true", "clock_offset_ms": 3},
  {"machine_id": "stage-bridge", "venue": "okx", "breaker": "closed", "why": null, "clock_sound": "true", "clock_offset_ms": null}]}',
  'one that does not answer is named first, with the machine that says so, then those that do');
update public.cloud_machines set last_heartbeat_at = now() - interval '2 minutes' where machine_id = 'stage-bridge';
select is(pg_temp.check_of('venues') -> 'found', '[]', 'what a machine said long ago is no news');

-- Tokens.
select is(pg_temp.check_of('tokens') -> 'ok', 'true', 'machines that sign their own tokens are well');
update public.cloud_machines set status = 'running', details = jsonb_build_object('tokens', jsonb_build_object(
  'trading_bridge', extract(epoch from now() + interval '8 days')::bigint)) where machine_id = 'stage-bridge';
select is(pg_temp.check_of('tokens') -> 'ok', 'true', 'so are those whose tokens last');
update public.cloud_machines set details = jsonb_build_object('tokens', jsonb_build_object(
  'trading_bridge', extract(epoch from '2026-01-01 00:00Z'::timestamptz)::bigint)) where machine_id = 'stage-bridge';
update public.cloud_machines set details = '{"tokens": {"signal_worker": -1e40, "analyst": "soon", "archivist": null}}'
where machine_id = 'stage-worker';
update public.cloud_machines set details = '{"tokens": 7}' where machine_id = 'stage-analyst';
select is(pg_temp.check_of('tokens') -> 'found', '[
  {"machine_id": "stage-worker", "role": "signal_worker", "ends_at": "1970-01-01T00:00:00+00:00"},
  {"machine_id": "stage-bridge", "role": "trading_bridge", "ends_at": "2026-01-01T00:00:00+00:00"}]',
  'one that ends is named, whatever else a machine tells');
update public.cloud_machines set status = 'stopped' where machine_id in ('stage-worker', 'stage-bridge');
select is(pg_temp.check_of('tokens') -> 'ok', 'true', 'of a machine that stopped nobody needs it');
update public.cloud_machines set status = 'running' where machine_id in ('stage-worker', 'stage-bridge');

-- Desks.
select is(pg_temp.check_of('desks') -> 'ok', 'true', 'desks of which nobody complains are well');
update public.cloud_machines set status = 'running', last_heartbeat_at = now(), details = '{"desks": {
  "1d6e2b7c-0000-4000-8000-000000000001": {"hangs_for_seconds": 41},
  "1d6e2b7c-0000-4000-8000-000000000002": {"journal": "no room"},
  "1d6e2b7c-0000-4000-8000-000000000003": {"key": "Invalid API-key", "do": "sigtrail accounts verify 3"},
  "1d6e2b7c-0000-4000-8000-000000000004": {"unopened": "no answer", "do": "sigtrail accounts verify 4"},
  "1d6e2b7c-0000-4000-8000-000000000005": {"unusable": "sealed by key 1", "do": "sigtrail accounts verify 5"}}}'
where machine_id = 'stage-bridge';
select is(pg_temp.check_of('desks') - 'advice', '{"name": "desks", "ok": false, "found": [
  {"machine_id": "stage-bridge", "account_id": "1d6e2b7c-0000-4000-8000-000000000001", "hangs_for_seconds": 41, "journal": null},
  {"machine_id": "stage-bridge", "account_id": "1d6e2b7c-0000-4000-8000-000000000002", "hangs_for_seconds": null, "journal": "no room"},
  {"machine_id": "stage-bridge", "account_id": "1d6e2b7c-0000-4000-8000-000000000003", "hangs_for_seconds": null, "journal": null,
    "key": "Invalid API-key", "do": "sigtrail accounts verify 3"},
  {"machine_id": "stage-bridge", "account_id": "1d6e2b7c-0000-4000-8000-000000000004", "hangs_for_seconds": null, "journal": null,
    "unopened": "no answer", "do": "sigtrail accounts verify 4"},
  {"machine_id": "stage-bridge", "account_id": "1d6e2b7c-0000-4000-8000-000000000005", "hangs_for_seconds": null, "journal": null,
    "unusable": "sealed by key 1", "do": "sigtrail accounts verify 5"}]}',
  'what hangs, cannot be written, is refused or cannot be opened is named, with what to do');
update public.cloud_machines set details = '{}', last_heartbeat_at = now() - interval '2 minutes' where machine_id = 'stage-bridge';

-- Analysts.
select is(pg_temp.check_of('analysts'), '{"name": "analysts", "ok": true, "found": {"calls": 0, "cost": "0", "asking": []}}',
  'where rules judge, nobody is asked');
update public.cloud_machines set status = 'running', last_heartbeat_at = now(),
  details = '{"analyst": {"name": "model", "model": "m", "host": "h"}}' where machine_id = 'stage-analyst';
select is(pg_temp.check_of('analysts') -> 'ok', 'true', 'a model that answers is well');
update public.cloud_machines set details = jsonb_set(details, '{analyst,trouble}', '"h refuses the key"') where machine_id = 'stage-analyst';
select is(pg_temp.check_of('analysts') - 'advice', '{"name": "analysts", "ok": false, "found": {"calls": 0, "cost": "0", "asking": [
  {"name": "model", "model": "m", "host": "h", "trouble": "h refuses the key", "machine_id": "stage-analyst"}]}}',
  'one that refuses the key is named, with the machine that says so');

-- Jobs.
create function pg_temp.jobs(what text) returns jsonb language sql as $$ select pg_temp.check_of('jobs') #> array['found', what] $$;
insert into private.job_runs (job, started_at, finished_at, ok) select job, now(), now(), true from private.jobs;
select is(pg_temp.check_of('jobs') -> 'ok', 'true', 'jobs that ran are well');
insert into private.job_runs (job, finished_at, ok, error) values ('prune', now(), false, 'no room left');
select is(pg_temp.jobs('failing'), '[{"job": "prune", "error": "no room left"}]', 'a job whose last run failed is named with its error');
select alike(pg_temp.check_of('jobs') ->> 'advice', '%job_runs%', 'and where to read more');
insert into private.job_runs (job, finished_at, ok) values ('prune', now(), true);
select is(pg_temp.jobs('failing'), '[]', 'until it runs well again');
insert into private.job_runs (job, started_at) values ('orphans', now() - interval '16 minutes');
select is(pg_temp.jobs('stuck'), '["orphans"]', 'a run that never ends is stuck');
update private.jobs set late_after = interval '0' where job = 'leases';
update private.job_runs set finished_at = now() - interval '1 second' where job = 'leases';
select is(pg_temp.jobs('late'), '["leases"]', 'one that did not run for too long is late');
insert into private.jobs (job, schedule, step, late_after, purpose) values ('other', '0 0 1 1 *', 'other_step', '1 day', 'nothing');
select is(pg_temp.jobs('missing'), '["other"]', 'one that is not scheduled is missing');

-- Days and the roll-up.
select is(pg_temp.check_of('days') -> 'ok', 'true', 'days are well');
update private.partition_days set opened_at = now() - interval '9 days', last_write_at = now() - interval '31 hours'
where day = (select min(day) from private.partition_days);
update private.partition_days set day = '2019-03-31' where day = (select min(day) from private.partition_days);
select is(pg_temp.check_of('days') #> '{found,not_warmed}', '["2019-03-31"]', 'a day that should be warm for hours is named');
select is(pg_temp.check_of('rollup') -> 'ok', 'true', 'the roll-up is well');
update private.rollups set counted_to = now() - interval '6 minutes' where name = 'events';
select is(pg_temp.check_of('rollup') - 'advice', '{"name": "rollup", "ok": false, "found": {"lag_seconds": 360, "traders_waiting": 0}}',
  'not when it is behind');

select * from finish();
rollback;
