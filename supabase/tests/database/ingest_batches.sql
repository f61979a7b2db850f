-- A batch may be sent again and in any order: nothing goes in twice, and a request gets the same answer twice.
begin;
\ir stage.psql
select plan(14);

create function pg_temp.rows(n integer) returns jsonb language sql as $$
  select jsonb_agg(pg_temp.row(pg_temp.eli_trader(), 'S' || i || 'USDT')) from generate_series(1, n) i;
$$;
create function pg_temp.request(rows jsonb, request text) returns jsonb language sql as $$
  select pg_temp.as_role('signal_worker', 'stage-worker',
    format('select public.ingest_signals(%L, %L)', rows, request))::jsonb;
$$;

select is(pg_temp.ingest('[]'), '{"inserted": 0, "duplicates": 0, "rejected": [], "held_back": false}', 'an empty batch');
select is(pg_temp.ingest(pg_temp.rows(3)) - 'held_back', '{"inserted": 3, "duplicates": 0, "rejected": []}', 'a batch');
select is(pg_temp.ingest(pg_temp.rows(5)) - 'held_back', '{"inserted": 2, "duplicates": 3, "rejected": []}',
  'sent again with two more');
select is((select count(*) from public.signals where trader_id = pg_temp.eli_trader()), 5::bigint, 'nothing went in twice');
select is((select count(*) from public.signal_events e join public.signals s on s.id = e.signal_id
  where s.trader_id = pg_temp.eli_trader()), 5::bigint, 'nor did an event');

create function pg_temp.scans() returns bigint language sql as $$
  select seq_scan from pg_catalog.pg_stat_xact_user_tables where relid = 'public.traders'::regclass;
$$;
select pg_temp.scans() as before \gset
select pg_temp.ingest(pg_temp.rows(5)) \g /dev/null
select is(pg_temp.scans(), :'before'::bigint, 'a batch looks up its own traders and never reads all');

select is(pg_temp.request(pg_temp.rows(7), '10000000-0000-4000-8000-000000000001') -> 'inserted', '2', 'a request');
select is(pg_temp.request(pg_temp.rows(7), '10000000-0000-4000-8000-000000000001') -> 'inserted', '2',
  'the same request gets the same answer');
select is(pg_temp.request(pg_temp.rows(7), '10000000-0000-4000-8000-000000000002') -> 'inserted', '0', 'another its own');
select alike(pg_temp.as_role('signal_worker', 'stage-worker', format('select public.ingest_signals(%L, %L)', pg_temp.rows(1),
  '10000000-0000-4000-8000-000000000001')), '22023%was another batch', 'a request is not used for another batch');
select alike(pg_temp.as_role('signal_worker', 'stage-worker', format('select public.ingest_signals(%L, %L)',
  jsonb_set(pg_temp.rows(7), '{0,price}', '"1"'), '10000000-0000-4000-8000-000000000001')), '22023%was another batch',
  'nor for one of as many rows, which would seem to be recorded');
select is(pg_temp.as_role('service_role', null, format('select public.ingest_signals(%L, %L)', pg_temp.rows(1),
  '10000000-0000-4000-8000-000000000001'))::jsonb -> 'duplicates', '1', 'someone else''s request is another one');

select is(pg_temp.as_role('signal_worker', 'stage-worker', format('select public.ingest_signals(%L)',
    (select jsonb_agg('{}'::jsonb) from generate_series(1, 10001)))),
  '22023 a batch holds at most 10000 signals, this one has 10001', '10,001 rows are too many');
select is(pg_temp.as_role('signal_worker', 'stage-worker', 'select public.ingest_signals(''{"a": 1}'')'),
  '22023 signals must be a JSON array', 'an object is no batch');

select * from finish();
rollback;
