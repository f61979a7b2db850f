-- A history to read: people of uneven size and their signals of seven days, with the events of their creation and the
-- counts. Signals go straight into their partitions, past triggers and indexes, which are made afterwards: a million in
-- seconds.
create schema bench;

-- People --------------------------------------------------------------------------------------------------

-- 1,000 users with 10,000 traders: the first user owns a twentieth of them, the last ones one or two.
insert into auth.users (id, email)
select gen_random_uuid(), 'bench-' || n || '@sigtrail.local' from generate_series(1, 1000) n;
update public.users set tier = 'elite';

create table bench.people as
select u.id as user_id, n as place,
  sum(1 / (n + 2.5)) over (order by n) / sum(1 / (n + 2.5)) over () as upto
from generate_series(1, 1000) n
join public.users u on u.email = 'bench-' || n || '@sigtrail.local';

insert into public.traders (user_id, name, market, symbols, "interval", conditions, ai_analysis_limit)
select (select p.user_id from bench.people p where p.upto >= (n - 0.5) / 10000 order by p.upto limit 1),
  'Trader ' || n, 'usdm', array['BTCUSDT'], '1m', array['RSI(14) < 30'], null
from generate_series(1, 10000) n;

insert into public.cloud_machines (machine_id, roles)
select 'bench-' || n, array['signals'] from generate_series(1, 4) n;

-- Signals are drawn from 100,000 lots, of which each trader holds 4 to 16. A trader watches ten of 200 symbols.
create table bench.lots as
select (row_number() over (order by random()) - 1)::integer as lot, t.id as trader_id, t.user_id,
  (t.place * 7 % 200)::integer as first_symbol, m.id as machine_id
from (select t.*, row_number() over (order by t.id) as place from public.traders t) t
cross join lateral generate_series(1, 4 + t.place % 13) n
join public.cloud_machines m on m.machine_id = 'bench-' || (1 + t.place % 4);

create table bench.symbols as
select (n - 1)::integer as place, chr((65 + n / 26)::integer) || chr((65 + n % 26)::integer) || 'XUSDT' as symbol,
  round((0.05 * exp(n / 14.5))::numeric, 4) as price
from generate_series(1, 200) n;

create table bench.rules (place integer, condition text, indicator text, value numeric);
insert into bench.rules values
  (0, 'RSI(14) < 30', 'RSI(14)', 27.41), (1, 'close > HIGHEST(high, 16)[1]', 'HIGHEST(high, 16)[1]', 64120.5),
  (2, 'EMA(20) > EMA(60)', 'EMA(20)', 64011.2),
  (3, 'close < BBANDS_LOWER(close, 20, 2)', 'BBANDS_LOWER(close, 20, 2)', 63711.9);

-- What a trader saw: twenty candles of each symbol, the conditions in turn.
create table bench.stories as
select y.place * 20 + n as place, y.symbol, left(y.symbol, -4) || '/USDT:USDT' as normalised_symbol, c.close as price,
  jsonb_build_array(jsonb_build_object('text', r.condition, 'values', jsonb_build_object(r.indicator, r.value)))
    as matched_conditions,
  jsonb_build_object('condition', r.condition, 'candle', jsonb_build_object('open_time', 1795200000000 + n * 60000,
    'open', (c.close * 0.999)::text, 'high', (c.close * 1.002)::text, 'low', (c.close * 0.998)::text,
    'close', c.close::text, 'volume', round((random() * 5000)::numeric, 3)::text)) as original_signal
from bench.symbols y
cross join generate_series(0, 19) n
join bench.rules r on r.place = n % 4
cross join lateral (select round(y.price * (0.99 + n * 0.001), 4) as close) c;

-- How it ended: a hundred of each status, with what the analysis said.
create table bench.endings as
select status, n as place,
  case status
    when 'rejected' then r.code
    when 'expired' then
      (array['monitoring_timeout', 'setup_invalidated', 'price_drifted', 'position_limit', 'signal_stale'])[1 + n % 5]
    when 'closed' then (array['stop_loss', 'take_profit', 'trailing_stop', 'stop_loss', 'take_profit'])[1 + n % 5]
  end as outcome_code,
  case when status not in ('new', 'analyzing') then round(0.3 + n * 0.0065, 2) end as confidence,
  case when status = 'closed' then round(n * 0.4 - 18.37, 2) else 0 end as pnl,
  case when status not in ('new', 'analyzing') then jsonb_build_object('analyst', 'rules',
    'reason', case status when 'rejected' then r.reason else 'within the limits of the trader' end,
    'atr_percent', round(0.05 + n * 0.0023, 4)::text, 'adx', round(10 + n * 0.31, 2)::text) end as analysis_result
from unnest(enum_range(null::public.signal_status)) status
cross join generate_series(0, 99) n
join (values
  (0, 'low_confidence', 'the trader wants 0.6'), (1, 'against_trend', 'a long against a steep, strong trend'),
  (2, 'volatility_too_low', 'ATR is under 0.03 % of the price'),
  (3, 'reward_too_low', 'wins 1.12 for each unit lost, after costs'),
  (4, 'volatility_too_high', 'ATR is over 0.35 % of the price')
) r (place, code, reason) on r.place = n % 5;
analyze bench.lots, bench.stories, bench.endings, public.traders, public.users;

-- Days ----------------------------------------------------------------------------------------------------

-- How to make again what take_out removed from a day.
create table bench.indexes (day text, statement text);

-- Takes a day out of the history and empties it of rows and indexes.
create function bench.take_out(day text) returns void
language plpgsql
as $$
declare
  parent text;
  child regclass;
  index record;
begin
  delete from bench.indexes i where i.day = take_out.day;
  foreach parent in array array['signals', 'signal_events'] loop
    child := format('partitions.%I', parent || '_' || day);
    execute format('alter table public.%I detach partition %s', parent, child);
    execute format('alter table %s disable trigger user', child);
    execute format('truncate %s', child);
    execute format('alter table %s enable trigger user', child);
    for index in
      select i.indexrelid::regclass as name, c.conname, pg_get_indexdef(i.indexrelid) as definition,
        pg_get_constraintdef(c.oid) as "constraint"
      from pg_catalog.pg_index i
      left join pg_catalog.pg_constraint c on c.conindid = i.indexrelid and c.conrelid = i.indrelid
      where i.indrelid = child
    loop
      if index.conname is null then
        insert into bench.indexes values (day, index.definition);
        execute format('drop index %s', index.name);
      else
        insert into bench.indexes
        values (day, format('alter table %s add constraint %I %s', child, index.conname, index."constraint"));
        execute format('alter table %s drop constraint %I', child, index.conname);
      end if;
    end loop;
  end loop;
end;
$$;

-- Fills a day that was taken out with so many signals between two times. Most have come to an end; those of the last
-- half hour are still under way.
create function bench.fill(day text, from_time timestamptz, to_time timestamptz, signals bigint) returns void
language plpgsql
set synchronous_commit = off
set jit = off
set work_mem = '64MB'
set max_parallel_workers_per_gather = 0
as $$
begin
  -- First the draws, in order of time, as the rows shall lie: the joins after them keep it.
  execute format('create unlogged table bench.%I (at timestamptz, lot integer, story integer, dice double precision, '
    'ending integer, status public.signal_status)', 'draws_' || day);
  execute format($sql$
    insert into bench.%I
    select d.at, d.lot, floor(d.chance * 200), d.dice, floor(d.dice * 100), case
      when d.at > now() - interval '30 minutes' then
        case when d.chance < 0.25 then 'new' when d.chance < 0.3 then 'analyzing' when d.chance < 0.6 then 'rejected'
          when d.chance < 0.95 then 'monitoring' else 'ready' end
      when d.chance < 0.45 then 'rejected'
      when d.chance < 0.85 then 'expired'
      when d.chance < 0.87 and d.at > now() - interval '1 day' then 'in_position'
      else 'closed'
    end::public.signal_status
    from (
      select date_trunc('minute', $1 + ($2 - $1) * (n::double precision / $3)) as at,
        floor(random() * $4)::integer as lot, random() as chance, random() as dice
      from generate_series(0, $3 - 1) n
      offset 0
    ) d$sql$, 'draws_' || day) using from_time, to_time, signals, (select count(*) from bench.lots);
  execute format('analyze bench.%I', 'draws_' || day);
  execute format($sql$
    insert into partitions.%I (
      id, user_id, trader_id, machine_id, triggered_at, created_at, updated_at, status_at, analyzed_at, ready_at,
      position_opened_at, closed_at, status, source, side, has_open_position, total_orders_count, symbol,
      normalised_symbol, "interval", outcome_code, initial_price, current_price, total_pnl, analysis_confidence,
      matched_conditions, original_signal, analysis_result
    )
    select encode(
        int8send((floor(extract(epoch from d.at) * 1000)::bigint << 16) | 32768 | floor(random() * 4096)::bigint)
        || int8send((-9223372036854775808)::bigint | floor(d.dice * 4611686018427387904)::bigint), 'hex')::uuid,
      l.user_id, l.trader_id, l.machine_id, d.at, d.at + interval '80 ms', d.at + interval '2 minutes',
      d.at + interval '2 minutes',
      case when d.status not in ('new', 'analyzing') then d.at + interval '3 s' end,
      case when d.status in ('ready', 'in_position', 'closed') then d.at + interval '1 minute' end,
      case when d.status in ('in_position', 'closed') then d.at + interval '65 s' end,
      case when d.status in ('rejected', 'expired', 'closed') then d.at + interval '2 minutes' end,
      d.status, 'cloud', 'long', d.status = 'in_position',
      case when d.status in ('in_position', 'closed') then 3 else 0 end,
      y.symbol, y.normalised_symbol, '1m', e.outcome_code, y.price, y.price, e.pnl, e.confidence,
      y.matched_conditions, y.original_signal, e.analysis_result
    from bench.%I d
    join bench.lots l on l.lot = d.lot
    -- Ten symbols of the trader's, twenty stories of each.
    join bench.stories y on y.place = (l.first_symbol * 20 + d.story) %% 4000
    join bench.endings e on e.status = d.status and e.place = d.ending$sql$,
    'signals_' || day, 'draws_' || day);
  execute format('drop table bench.%I', 'draws_' || day);
  execute format($sql$
    insert into partitions.%I (signal_id, user_id, occurred_at, number, event_type, location, to_status, worker)
    select s.id, s.user_id, s.triggered_at, 1, 'signal_created', 'ingest', 'new', 'bench-1' from partitions.%I s$sql$,
    'signal_events_' || day, 'signals_' || day);
  execute format($sql$
    insert into public.signal_counts as c (user_id, hour, status, shard, count)
    select s.user_id, date_trunc('hour', s.triggered_at, 'UTC'), s.status, 1 + extract(minute from s.triggered_at)::integer %% 2,
      count(*)
    from partitions.%I s group by 1, 2, 3, 4
    on conflict (user_id, hour, status, shard) do update set count = c.count + excluded.count$sql$, 'signals_' || day);
  execute format($sql$
    insert into private.trader_tallies (
      user_id, day, trader_id, source, machine_id, generated, approved, rejected, ready, traded, closed, expired
    )
    select s.user_id, $1, s.trader_id, s.source, s.machine_id, count(*),
      count(*) filter (where s.status not in ('new', 'analyzing', 'rejected')),
      count(*) filter (where s.status = 'rejected'),
      count(*) filter (where s.ready_at is not null),
      count(*) filter (where s.position_opened_at is not null),
      count(*) filter (where s.status = 'closed'),
      count(*) filter (where s.status = 'expired')
    from partitions.%I s group by 1, 3, 4, 5$sql$,
    'signals_' || day) using to_date(day, 'YYYYMMDD');
  execute format($sql$
    insert into private.symbol_tallies (user_id, day, symbol, generated, approved, rejected, ready, traded, closed, expired)
    select s.user_id, $1, s.symbol, count(*),
      count(*) filter (where s.status not in ('new', 'analyzing', 'rejected')),
      count(*) filter (where s.status = 'rejected'),
      count(*) filter (where s.ready_at is not null),
      count(*) filter (where s.position_opened_at is not null),
      count(*) filter (where s.status = 'closed'),
      count(*) filter (where s.status = 'expired')
    from partitions.%I s group by 1, 3$sql$,
    'signals_' || day) using to_date(day, 'YYYYMMDD');
end;
$$;

-- Makes the indexes of a day again and puts it back into the history.
create function bench.put_back(day text) returns void
language plpgsql
set maintenance_work_mem = '512MB'
set max_parallel_maintenance_workers = 0
as $$
declare
  statement text;
  parent text;
  key text;
  low uuid := public.signal_id_floor(to_date(day, 'YYYYMMDD')::timestamp at time zone 'UTC');
  high uuid := public.signal_id_floor((to_date(day, 'YYYYMMDD') + 1)::timestamp at time zone 'UTC');
begin
  for statement in select i.statement from bench.indexes i where i.day = put_back.day loop
    execute statement;
  end loop;
  foreach parent in array array['signals', 'signal_events'] loop
    key := case parent when 'signals' then 'id' else 'signal_id' end;
    execute format('alter table public.%I attach partition partitions.%I for values from (%L) to (%L)',
      parent, parent || '_' || day, low, high);
  end loop;
end;
$$;
