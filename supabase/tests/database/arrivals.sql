-- New signals wait batch by batch, and a claim queues them: in order of time across batches, none twice, none that ended.
begin;
\ir stage.psql
select plan(16);

delete from private.arrivals;
delete from public.signal_queue;
create function pg_temp.record(symbols text[], ages integer[]) returns void language sql as $$
  select pg_temp.ingest((select jsonb_agg(pg_temp.row(pg_temp.eli_trader(), s, a * interval '1 minute')) from unnest(symbols, ages) x (s, a)));
$$;
create function pg_temp.claimed(max_rows integer default 100, age integer default 0) returns text language sql as $$
  select string_agg(s.symbol, ',' order by s.id)
  from jsonb_array_elements(pg_temp.claim('analysis', 'stage-analyst', max_rows, now() - age * interval '1 minute')) c
  join public.signals s on s.id = (c ->> 'signal_id')::uuid;
$$;
create function pg_temp.waiting(age integer default 0) returns jsonb language sql as $$
  select pg_temp.as_role('analyst', 'stage-analyst', format('select public.work_waiting(''analysis'', %L)', now() - age * interval '1 minute'))::jsonb;
$$;

select pg_temp.record(array['A9', 'A7', 'A2'], array[9, 7, 2]), pg_temp.record(array['B8', 'B3'], array[8, 3]) \g /dev/null
select is((select count(*) from private.arrivals), 2::bigint, 'a row a batch');
select is((select count(*) from public.signal_queue), 0::bigint, 'and none in the queue');
select is(pg_temp.waiting() - 'next_at', '{"due": 5, "leased": 0, "later": 0}', 'all of them are due');
select is(pg_temp.waiting(5) - 'next_at', '{"due": 3, "leased": 0, "later": 2}', 'for an earlier clock some are');
select is((pg_temp.waiting(5) ->> 'next_at')::timestamptz, date_trunc('milliseconds', now() - interval '3 minutes'), 'it hears of the next');
select is(pg_temp.waiting(60) - 'next_at', '{"due": 0, "leased": 0, "later": 5}', 'before the first none');
select is(pg_temp.claimed(100, 60), null, 'and none can be claimed');
select is((select count(*) from private.arrivals), 2::bigint, 'nor is queued');

select is(pg_temp.claimed(2), 'A9,B8', 'the oldest come first, whichever batch they came in');
select pg_temp.record(array['C6'], array[6]) \g /dev/null
select is(pg_temp.claimed(2), 'A7,C6', 'what arrived later and is older does not wait');
select is((select count(*) from private.arrivals), 0::bigint, 'what is queued has arrived');
select is(pg_temp.waiting() - 'next_at', '{"due": 2, "leased": 4, "later": 0}', 'and is counted once');

select pg_temp.record(array['D1', 'D2', 'D3'], array[1, 1, 1]) \g /dev/null
select pg_temp.as_role('service_role', null, format('select public.expire_signals(%L)', (select jsonb_agg(jsonb_build_object(
  'signal_id', id, 'outcome_code', 'signal_stale')) from public.signals where symbol = 'D2' and trader_id = pg_temp.eli_trader()))) \g /dev/null
select is(pg_temp.claimed(), 'B3,A2,D1,D3', 'what ended before it was claimed is left out');
select is_empty($$ select q.signal_id from public.signal_queue q join public.signals s on s.id = q.signal_id where s.status = 'expired' $$,
  'and not queued');

-- A row of the queue whose signal ended while it was being queued.
insert into public.signal_queue (signal_id, stage, available_at)
select id, 'analysis', triggered_at from public.signals where symbol = 'D2' and trader_id = pg_temp.eli_trader();
select is(pg_temp.claimed(), null, 'an ended signal is claimed by nobody');
select is_empty($$ select q.signal_id from public.signal_queue q join public.signals s on s.id = q.signal_id where s.status = 'expired' $$,
  'and leaves the queue');

select * from finish();
rollback;
