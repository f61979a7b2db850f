-- A tier records so many signals for one day of triggered_at, exactly: duplicates cost nothing, and a day has its own.
begin;
\ir stage.psql
select plan(12);

create function pg_temp.rows(n integer, first integer default 1, trader uuid default pg_temp.ann_trader(),
  age interval default '1 minute') returns jsonb language sql as $$
  select jsonb_agg(pg_temp.row(trader, 'S' || i || 'USDT', age) order by i) from generate_series(first, first + n - 1) i;
$$;
create function pg_temp.summary(answer jsonb) returns jsonb language sql as $$
  select jsonb_build_object('inserted', answer -> 'inserted', 'duplicates', answer -> 'duplicates',
    'over', (select count(*) from jsonb_array_elements(answer -> 'rejected') r where r ->> 'code' = 'quota_exceeded'));
$$;
-- Yesterday at noon is open and one day whatever the time is now.
select date_trunc('day', now(), 'UTC') - interval '12 hours' as noon \gset

select is(pg_temp.summary(pg_temp.ingest(pg_temp.rows(60, 1, pg_temp.ann_trader(), now() - :'noon'))),
  '{"inserted": 60, "duplicates": 0, "over": 0}', 'sixty of a hundred');
select is(pg_temp.summary(pg_temp.ingest(pg_temp.rows(60, 1, pg_temp.ann_trader(), now() - :'noon'))),
  '{"inserted": 0, "duplicates": 60, "over": 0}', 'the same sixty cost nothing');
select is(pg_temp.summary(pg_temp.ingest(pg_temp.rows(70, 31, pg_temp.ann_trader(), now() - :'noon'))),
  '{"inserted": 40, "duplicates": 30, "over": 0}', 'forty more fill the day');
select is(pg_temp.summary(pg_temp.ingest(pg_temp.rows(12, 95, pg_temp.ann_trader(), now() - :'noon'))),
  '{"inserted": 0, "duplicates": 6, "over": 6}', 'the day is full, and duplicates are still duplicates');
select is((select signals from public.usage_daily where user_id = pg_temp.ann()), 100::bigint, 'it is counted to the last one');
select is(pg_temp.ingest(pg_temp.rows(1, 500, pg_temp.ann_trader(), now() - :'noon')) -> 'rejected' -> 0 ->> 'message',
  format('100 of 100 signals of %s are used', (:'noon'::timestamptz at time zone 'UTC')::date), 'the message says how many');
select is(pg_temp.summary(pg_temp.ingest(pg_temp.rows(5, 1, pg_temp.ann_trader(), now() - :'noon'::timestamptz - interval '12 hours'))),
  '{"inserted": 5, "duplicates": 0, "over": 0}', 'another day has its own');
select is(pg_temp.summary(pg_temp.ingest(
    pg_temp.rows(99, 1, pg_temp.pia_trader(), now() - :'noon') || pg_temp.rows(101, 600, pg_temp.pia_trader(), now() - :'noon'))),
  '{"inserted": 200, "duplicates": 0, "over": 0}', 'pro has more');
select is(pg_temp.summary(pg_temp.ingest(pg_temp.rows(500, 1, pg_temp.eli_trader(), now() - :'noon'))),
  '{"inserted": 500, "duplicates": 0, "over": 0}', 'elite has no limit');
select is((select sum(signals) from public.usage_daily where user_id = pg_temp.eli()), 500::numeric, 'and is counted');

insert into public.signals (id, trader_id, symbol, "interval", side, triggered_at, initial_price)
select public.signal_id(pg_temp.pia_trader(), 'P' || i, '1m', date_trunc('second', now())), pg_temp.pia_trader(), 'P' || i, '1m',
  'long', date_trunc('second', now()), 1
from generate_series(1, 10000) i;
select is((select sum(signals) from public.usage_daily where user_id = pg_temp.pia() and day = (now() at time zone 'UTC')::date),
  10000::numeric, 'a plain insert counts');
select throws_like(format('insert into public.signals (id, trader_id, symbol, "interval", side, triggered_at, initial_price)
  select public.signal_id(%1$L, ''P0'', ''1m'', date_trunc(''second'', now())), %1$L, ''P0'', ''1m'', ''long'',
    date_trunc(''second'', now()), 1', pg_temp.pia_trader()), 'quota_exceeded: tier pro records at most 10000%',
  'and is refused when the day is full');

select * from finish();
rollback;
