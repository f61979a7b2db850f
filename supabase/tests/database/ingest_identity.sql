-- What a batch gives a signal for an id is what private.signal_id makes of it, bit by bit, however its time was written.
begin;
\ir stage.psql
select plan(7);

create temporary table odd_names (symbol text, "interval" text, ms bigint);
insert into odd_names
select s.symbol, i.interval, floor(extract(epoch from date_trunc('day', now(), 'UTC')) * 1000)::bigint - 43200000 + n
from unnest(array['BTCUSDT', '1000PEPEUSDT', 'ÄTHER', 'a b', '币安人生USDT', '''"\']) with ordinality s (symbol, n)
cross join unnest(array['1m', '3m', '5m', '15m', '30m', '1h', '4h', '1d']) i (interval);

create function pg_temp.rows(with_id boolean, written text default 'number') returns jsonb language sql as $$
  select jsonb_agg(pg_temp.row(t, o.symbol, '1 minute', jsonb_strip_nulls(jsonb_build_object(
    'interval', o."interval",
    'triggered_at', case written when 'number' then to_jsonb(o.ms) when 'text' then to_jsonb(o.ms || '.75')
      else to_jsonb(to_timestamp(o.ms / 1000.0)) end,
    'id', case when with_id then private.signal_id(t, o.symbol, o."interval", o.ms) end))))
  from odd_names o, unnest(array[pg_temp.eli_trader(), pg_temp.pia_trader()]) t;
$$;

select is(pg_temp.ingest(pg_temp.rows(false)) - 'held_back', '{"inserted": 96, "duplicates": 0, "rejected": []}', 'a batch without ids');
select is_empty($$ select id from public.signals s
  where id <> private.signal_id(trader_id, symbol, "interval", private.unix_ms(triggered_at)) $$, 'has the ids of its signals');
select is_empty($$ select id from public.signals s
  where id <> public.signal_id(trader_id, symbol, "interval", triggered_at) $$, 'as everyone makes them');
select is(pg_temp.ingest(pg_temp.rows(true)) - 'held_back', '{"inserted": 0, "duplicates": 96, "rejected": []}',
  'with their ids they are the same');
select is(pg_temp.ingest(pg_temp.rows(true, 'text')) - 'held_back', '{"inserted": 0, "duplicates": 96, "rejected": []}',
  'a part of a millisecond is none');
select is(pg_temp.ingest(pg_temp.rows(true, 'ISO')) - 'held_back', '{"inserted": 0, "duplicates": 96, "rejected": []}',
  'a time in ISO is the same time');
select is((select count(*) from public.signal_events e join public.signals s on s.id = e.signal_id
  where e.tx = pg_current_xact_id()::text::bigint), 96::bigint, 'events carry their transaction');

select * from finish();
rollback;
