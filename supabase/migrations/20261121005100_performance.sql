-- Performance: what strategies were worth. Signals are counted from what is here, and for days that were compacted from
-- the tallies; profit comes from the positions, which stay for good.

-- Functions: ranges of time --------------------------------------------------------------------------------

-- The days of which only the traded signals are still here.
create function private.compacted_days() returns table (day date)
language sql stable security definer
set search_path = ''
as $$
  select d.day from private.partition_days d where d.compacted_at is not null;
$$;

-- How many signals of a trader came how far on the days that were compacted and begin between two times.
create function private.compacted_tallies(trader_id uuid, from_time timestamptz, to_time timestamptz)
returns table (signals bigint, approved bigint, rejected bigint, expired bigint, traded bigint)
language sql stable security definer
set search_path = ''
as $$
  select coalesce(sum(t.generated), 0)::bigint, coalesce(sum(t.approved), 0)::bigint,
    coalesce(sum(t.rejected), 0)::bigint, coalesce(sum(t.expired), 0)::bigint, coalesce(sum(t.traded), 0)::bigint
  from private.trader_tallies t
  join private.partition_days d on d.day = t.day and d.compacted_at is not null
  where t.trader_id = compacted_tallies.trader_id
    and (private.is_operator() or t.user_id = (select auth.uid()))
    and t.day::timestamp at time zone 'UTC' >= from_time and t.day::timestamp at time zone 'UTC' < to_time;
$$;

-- Refuses days that are not in order.
create function private.check_days(from_day date, to_day date) returns void
language plpgsql immutable
set search_path = ''
as $$
begin
  if from_day is null or to_day is null or to_day < from_day then
    raise exception 'the first day % must not be after the last %', from_day, to_day
      using errcode = 'invalid_parameter_value';
  end if;
end;
$$;

-- Refuses a range of time that ends before it begins, or has no end or beginning.
create function private.check_range(from_time timestamptz, to_time timestamptz) returns void
language plpgsql immutable
set search_path = ''
as $$
begin
  if from_time is null or to_time is null or not isfinite(from_time) or not isfinite(to_time) then
    raise exception 'a range needs from_time and to_time' using errcode = 'invalid_parameter_value';
  end if;
  if to_time <= from_time then
    raise exception 'to_time % must lie after from_time %', to_time, from_time
      using errcode = 'invalid_parameter_value';
  end if;
end;
$$;

-- Refuses a time zone that nobody knows. By trying it: pg_timezone_names reads every file there is.
create function private.check_time_zone(time_zone text) returns void
language plpgsql stable
set search_path = ''
as $$
begin
  if (now() at time zone time_zone) is null then
    raise exception 'a name is missing' using errcode = 'invalid_parameter_value';
  end if;
exception
  when invalid_parameter_value then
    raise exception 'there is no time zone %', coalesce(time_zone, '(null)')
      using errcode = 'invalid_parameter_value', hint = 'use a name like UTC or Europe/Berlin';
end;
$$;

-- Functions: one signal -----------------------------------------------------------------------------------

-- What one signal was worth, null columns for what it never reached. Money in quote currency; return_fraction is the
-- profit over what the entry cost, r_multiple the profit over what the first stop would have cost, slippage_fraction
-- what the entry cost more than planned.
create function public.signal_performance(signal_id uuid)
returns table (
  id uuid, trader_id uuid, symbol text, side public.trade_side, source public.signal_source,
  status public.signal_status, outcome_code text, position_id uuid, opened_at timestamptz, closed_at timestamptz,
  held interval, entry_average numeric, exit_average numeric, entry_amount numeric, fees numeric,
  realized_pnl numeric, return_fraction numeric, r_multiple numeric, slippage_fraction numeric,
  orders bigint, executions bigint, best_price numeric, worst_price numeric
)
language plpgsql stable
rows 1
set search_path = ''
set plan_cache_mode = force_custom_plan
-- The bounds of the days say which are read; the checks of a table would be parsed for each of them.
set constraint_exclusion = off
as $$
#variable_conflict use_column
begin
  return query
  select s.id, s.trader_id, s.symbol, s.side, s.source, s.status, s.outcome_code, p.id, p.opened_at, p.closed_at,
    p.closed_at - p.opened_at, p.entry_average, p.exit_average, p.entry_amount, p.fees, p.realized_pnl,
    round(p.realized_pnl / nullif(p.entry_average * p.entry_amount, 0), 8),
    round(p.realized_pnl / nullif(abs(p.entry_average - p.initial_stop_loss) * p.entry_amount, 0), 4),
    round((p.entry_average - private.decimal(s.analysis_trade_plan ->> 'entry'))
      / nullif(private.decimal(s.analysis_trade_plan ->> 'entry'), 0) * case s.side when 'long' then 1 else -1 end, 8),
    (select count(*) from public.orders o where o.signal_id = signal_performance.signal_id),
    (select count(*) from public.trade_executions x where x.signal_id = signal_performance.signal_id),
    case s.side when 'long' then m.highest else m.lowest end,
    case s.side when 'long' then m.lowest else m.highest end
  -- By the id that was asked for, not by the row's: so the plan knows which day to look at.
  from public.signals s
  left join public.positions p on p.signal_id = signal_performance.signal_id
  left join lateral (
    select max(n.price) as highest, min(n.price) as lowest
    from public.signal_monitoring_snapshots n
    where n.signal_id = signal_performance.signal_id
  ) m on true
  where s.id = signal_performance.signal_id;
end;
$$;

-- Functions: one trader -----------------------------------------------------------------------------------

-- How a trader did between two times: signals by when they fired, trades by when they closed. Days that were compacted
-- are counted whole, from the tallies, when they begin in the range. max_drawdown is the deepest fall of the summed
-- profit from its height, profit_factor what was won over what was lost (null without a loss).
create function public.trader_performance(
  trader_id uuid,
  from_time timestamptz default now() - interval '30 days',
  to_time timestamptz default now()
)
returns table (
  id uuid, signals bigint, approved bigint, rejected bigint, expired bigint, traded bigint,
  trades bigint, wins bigint, losses bigint, win_rate numeric, realized_pnl numeric, fees numeric,
  gross_profit numeric, gross_loss numeric, profit_factor numeric, average_win numeric, average_loss numeric,
  best_trade numeric, worst_trade numeric, average_r numeric, max_drawdown numeric, average_held interval,
  time_in_market interval, open_positions bigint
)
language plpgsql stable
rows 1
set search_path = ''
set plan_cache_mode = force_custom_plan
set constraint_exclusion = off
as $$
#variable_conflict use_column
declare
  wanted uuid := trader_performance.trader_id;
  least_id uuid;
  limit_id uuid;
begin
  perform private.check_range(from_time, to_time);
  if not exists (select from public.traders t where t.id = wanted) then
    return;
  end if;
  least_id := public.signal_id_floor(from_time);
  limit_id := public.signal_id_floor(to_time);
  return query
  with live as (
    select count(*) as signals,
      count(*) filter (where s.status in ('monitoring', 'ready', 'in_position', 'closed')
        or (s.status = 'expired' and s.analyzed_at is not null)) as approved,
      count(*) filter (where s.status = 'rejected') as rejected,
      count(*) filter (where s.status = 'expired') as expired,
      count(*) filter (where s.position_opened_at is not null) as traded
    from public.signals s
    where s.trader_id = wanted and s.id >= least_id and s.id < limit_id
      and not exists (
        select from private.compacted_days() c
        where c.day = (s.triggered_at at time zone 'UTC')::date
      )
  ), kept as (
    select * from private.compacted_tallies(wanted, from_time, to_time)
  ), ended as (
    select p.id, p.realized_pnl, p.fees, p.opened_at, p.closed_at,
      p.realized_pnl / nullif(abs(p.entry_average - p.initial_stop_loss) * p.entry_amount, 0) as r,
      sum(p.realized_pnl) over (order by p.closed_at, p.id) as equity
    from public.positions p
    where p.trader_id = wanted and p.status = 'closed' and p.closed_at >= from_time and p.closed_at < to_time
  ), falls as (
    select e.*, greatest(0, max(e.equity) over (order by e.closed_at, e.id)) - e.equity as fall
    from ended e
  ), trades as (
    select count(*) as trades,
      count(*) filter (where f.realized_pnl > 0) as wins, count(*) filter (where f.realized_pnl < 0) as losses,
      coalesce(sum(f.realized_pnl), 0) as realized_pnl, coalesce(sum(f.fees), 0) as fees,
      coalesce(sum(f.realized_pnl) filter (where f.realized_pnl > 0), 0) as won,
      coalesce(-sum(f.realized_pnl) filter (where f.realized_pnl < 0), 0) as lost,
      avg(f.realized_pnl) filter (where f.realized_pnl > 0) as average_win,
      avg(f.realized_pnl) filter (where f.realized_pnl < 0) as average_loss,
      max(f.realized_pnl) as best, min(f.realized_pnl) as worst, avg(f.r) as average_r,
      coalesce(max(f.fall), 0) as drawdown,
      justify_hours(avg(f.closed_at - f.opened_at)) as held,
      justify_hours(coalesce(sum(f.closed_at - f.opened_at), interval '0')) as in_market
    from falls f
  )
  select wanted, l.signals + k.signals, l.approved + k.approved, l.rejected + k.rejected, l.expired + k.expired,
    l.traded + k.traded, t.trades, t.wins, t.losses, round(t.wins::numeric / nullif(t.trades, 0), 4),
    trim_scale(t.realized_pnl), trim_scale(t.fees), trim_scale(t.won), trim_scale(t.lost),
    round(t.won / nullif(t.lost, 0), 4), round(t.average_win, 8), round(t.average_loss, 8), t.best, t.worst,
    round(t.average_r, 4), trim_scale(t.drawdown), t.held, t.in_market,
    (select count(*) from public.positions p where p.trader_id = wanted and p.status = 'open')
  from live l, kept k, trades t;
end;
$$;

-- Functions: over time ------------------------------------------------------------------------------------

-- Signals and profit in buckets of time, empty ones included, with moving averages over the last `average_over`
-- buckets. Buckets of whole days begin at midnight of the time zone, also where a day has 23 or 25 hours; shorter ones
-- are counted from from_time. Signals count when they fired, profit when the position closed; of a day that was compacted
-- only the traded signals are here to be counted. At most 2000 buckets.
create function public.signal_series(
  from_time timestamptz,
  to_time timestamptz,
  bucket interval default '1 hour',
  average_over integer default 7,
  trader_id uuid default null,
  symbol text default null,
  time_zone text default 'UTC'
)
returns table (
  bucket_start timestamptz, bucket_end timestamptz, signals bigint, traded bigint, rejected bigint, expired bigint,
  trades bigint, wins bigint, realized_pnl numeric, cumulative_pnl numeric,
  average_signals numeric, average_pnl numeric
)
language plpgsql stable
set search_path = ''
set plan_cache_mode = force_custom_plan
set constraint_exclusion = off
as $$
#variable_conflict use_column
declare
  by_calendar boolean := extract(epoch from bucket) >= 86400;
  -- Calendar buckets are steps of local time, so that midnight stays midnight.
  first_local timestamp;
  bucket_count integer;
  edges timestamptz[];
  least_id uuid;
  limit_id uuid;
begin
  perform private.check_range(from_time, to_time);
  if bucket is null or bucket < interval '1 second' or extract(month from bucket) <> 0 or extract(year from bucket) <> 0
    or (by_calendar and bucket <> make_interval(days => extract(day from bucket)::integer)) then
    raise exception 'a bucket is at least a second and less than a day, or whole days, not %', bucket
      using errcode = 'invalid_parameter_value';
  end if;
  if average_over not between 1 and 1000 or average_over is null then
    raise exception 'average_over is 1 to 1000 buckets, not %', average_over using errcode = 'invalid_parameter_value';
  end if;
  perform private.check_time_zone(time_zone);
  bucket_count := ceil(extract(epoch from to_time - from_time) / extract(epoch from bucket));
  if bucket_count > 2000 then
    raise exception '% buckets are too many, the most is 2000', bucket_count
      using errcode = 'invalid_parameter_value', hint = 'ask for a shorter range or longer buckets';
  end if;
  first_local := date_trunc('day', from_time at time zone time_zone);
  edges := array(
    select case
      when by_calendar then (first_local + n * bucket) at time zone time_zone
      when n < bucket_count then from_time + n * bucket
      else to_time
    end
    from generate_series(0, bucket_count + by_calendar::integer) n
  );
  -- Whole days of local time may be one fewer than 24-hour days.
  while by_calendar and edges[cardinality(edges) - 1] >= to_time loop
    edges := trim_array(edges, 1);
  end loop;
  least_id := public.signal_id_floor(edges[1]);
  limit_id := public.signal_id_floor(edges[cardinality(edges)]);
  return query
  with buckets as (
    select e.place::integer as place, e.starts, edges[e.place + 1] as ends
    from unnest(trim_array(edges, 1)) with ordinality e (starts, place)
  ), fired as (
    select width_bucket(s.triggered_at, edges) as place, count(*) as signals,
      count(*) filter (where s.position_opened_at is not null) as traded,
      count(*) filter (where s.status = 'rejected') as rejected, count(*) filter (where s.status = 'expired') as expired
    from public.signals s
    where (signal_series.trader_id is null or s.trader_id = signal_series.trader_id)
      and (signal_series.symbol is null or s.symbol = signal_series.symbol)
      and s.id >= least_id and s.id < limit_id
    group by 1
  ), won as (
    select width_bucket(p.closed_at, edges) as place, count(*) as trades,
      count(*) filter (where p.realized_pnl > 0) as wins, sum(p.realized_pnl) as pnl
    from public.positions p
    where p.status = 'closed' and p.closed_at >= edges[1] and p.closed_at < edges[cardinality(edges)]
      and (signal_series.trader_id is null or p.trader_id = signal_series.trader_id)
      and (signal_series.symbol is null or p.symbol = signal_series.symbol)
    group by 1
  )
  select b.starts, b.ends, coalesce(f.signals, 0), coalesce(f.traded, 0), coalesce(f.rejected, 0),
    coalesce(f.expired, 0), coalesce(w.trades, 0), coalesce(w.wins, 0), trim_scale(coalesce(w.pnl, 0)),
    trim_scale(sum(coalesce(w.pnl, 0)) over past), round(avg(coalesce(f.signals, 0)) over lately, 4),
    round(avg(coalesce(w.pnl, 0)) over lately, 8)
  from buckets b
  left join fired f on f.place = b.place
  left join won w on w.place = b.place
  window past as (order by b.starts rows unbounded preceding),
    lately as (order by b.starts rows (average_over - 1) preceding)
  order by b.starts;
end;
$$;

-- How alike traders fire: for each pair the correlation of their signals a bucket (null when one of them never changes)
-- and of their profit a bucket, and how often they fired on the same symbol in the same bucket, as a part of all that
-- either fired (1: always together, 0: never). 2 to 20 traders, at most 5000 buckets.
create function public.trader_correlation(
  traders uuid[],
  from_time timestamptz default now() - interval '7 days',
  to_time timestamptz default now(),
  bucket interval default '1 hour'
)
returns table (
  first_trader_id uuid, second_trader_id uuid, buckets bigint, signal_correlation numeric, pnl_correlation numeric,
  overlap numeric
)
language plpgsql stable
set search_path = ''
set plan_cache_mode = force_custom_plan
as $$
#variable_conflict use_column
declare
  bucket_count integer;
  foreign_trader uuid;
begin
  perform private.check_range(from_time, to_time);
  if traders is null or cardinality(traders) not between 2 and 20 then
    raise exception 'a correlation is of 2 to 20 traders, not of %', coalesce(cardinality(traders), 0)
      using errcode = 'invalid_parameter_value';
  end if;
  if bucket is null or bucket < interval '1 second' or extract(month from bucket) <> 0
    or extract(year from bucket) <> 0 then
    raise exception 'a bucket is at least a second and has no months, not %', bucket
      using errcode = 'invalid_parameter_value';
  end if;
  select wanted into foreign_trader
  from unnest(traders) wanted
  where not exists (
    select from public.traders t where t.id = wanted
  )
  limit 1;
  if found then
    raise exception 'there is no trader %', foreign_trader using errcode = 'no_data_found';
  end if;
  bucket_count := ceil(extract(epoch from to_time - from_time) / extract(epoch from bucket));
  if bucket_count > 5000 then
    raise exception '% buckets are too many, the most is 5000', bucket_count
      using errcode = 'invalid_parameter_value', hint = 'ask for a shorter range or longer buckets';
  end if;
  return query
  with chosen as (
    select distinct wanted as trader_id from unnest(traders) wanted
  ), fired as materialized (
    select s.trader_id, s.symbol,
      floor(extract(epoch from s.triggered_at - from_time) / extract(epoch from bucket))::integer as place
    from public.signals s
    where s.trader_id = any (traders)
      and s.id >= public.signal_id_floor(from_time) and s.id < public.signal_id_floor(to_time)
  ), counts as (
    select f.trader_id, f.place, count(*) as signals from fired f group by 1, 2
  ), profits as (
    select p.trader_id, floor(extract(epoch from p.closed_at - from_time) / extract(epoch from bucket))::integer as place,
      sum(p.realized_pnl) as pnl
    from public.positions p
    where p.trader_id = any (traders) and p.status = 'closed' and p.closed_at >= from_time and p.closed_at < to_time
    group by 1, 2
  ), series as materialized (
    select c.trader_id, n.place, coalesce(k.signals, 0) as signals, coalesce(w.pnl, 0) as pnl
    from chosen c
    cross join generate_series(0, bucket_count - 1) n (place)
    left join counts k on k.trader_id = c.trader_id and k.place = n.place
    left join profits w on w.trader_id = c.trader_id and w.place = n.place
  ), likeness as (
    select a.trader_id as first_id, b.trader_id as second_id, count(*) as buckets,
      corr(a.signals, b.signals) as signal_correlation,
      corr(a.pnl::double precision, b.pnl::double precision) as pnl_correlation
    from series a
    join series b on b.place = a.place and b.trader_id > a.trader_id
    group by 1, 2
  ), spots as materialized (
    select distinct f.trader_id, f.symbol, f.place from fired f
  ), totals as (
    select s.trader_id, count(*) as spots from spots s group by 1
  ), together as (
    select a.trader_id as first_id, b.trader_id as second_id, count(*) as shared
    from spots a
    join spots b on b.symbol = a.symbol and b.place = a.place and b.trader_id > a.trader_id
    group by 1, 2
  )
  select l.first_id, l.second_id, l.buckets, round(l.signal_correlation::numeric, 6),
    round(l.pnl_correlation::numeric, 6),
    round(coalesce(g.shared, 0)::numeric
      / nullif(coalesce(x.spots, 0) + coalesce(y.spots, 0) - coalesce(g.shared, 0), 0), 6)
  from likeness l
  left join together g on g.first_id = l.first_id and g.second_id = l.second_id
  left join totals x on x.trader_id = l.first_id
  left join totals y on y.trader_id = l.second_id
  order by l.first_id, l.second_id;
end;
$$;

-- Functions: where signals come from ----------------------------------------------------------------------

-- Which machine made how many of the caller's signals, of how many traders, and how many of them were traded, on the
-- UTC days between two, both included. An operator sees everyone's. At most a minute behind.
create function private.machine_attribution(from_day date, to_day date)
returns table (
  machine_id text, region text, signals bigint, traders bigint, traded bigint, closed bigint, last_day date
)
language plpgsql stable security definer
set search_path = ''
set plan_cache_mode = force_custom_plan
as $$
#variable_conflict use_column
declare
  everyone boolean := private.is_operator();
  owner uuid := (select auth.uid());
begin
  perform private.check_days(from_day, to_day);
  return query
  select m.machine_id, m.region, sum(t.generated)::bigint, count(distinct t.trader_id), sum(t.traded)::bigint,
    sum(t.closed)::bigint, max(t.day)
  from private.trader_tallies t
  join public.cloud_machines m on m.id = t.machine_id
  where t.day between from_day and to_day and (everyone or t.user_id = owner)
  group by m.machine_id, m.region
  order by 3 desc, 1;
end;
$$;

create function public.machine_attribution(
  from_day date default (now() at time zone 'UTC')::date - 1,
  to_day date default (now() at time zone 'UTC')::date
)
returns table (
  machine_id text, region text, signals bigint, traders bigint, traded bigint, closed bigint, last_day date
)
language plpgsql stable
set search_path = ''
as $$
begin
  return query select * from private.machine_attribution(from_day, to_day);
end;
$$;

-- Functions: machines ---------------------------------------------------------------------------------------

create function private.machine_health()
returns table (
  machine_id text, region text, roles text[], version text, status text, alive boolean, started_at timestamptz,
  last_heartbeat_at timestamptz, errors bigint, spool_pending bigint, spool_bytes bigint, made bigint, accounts bigint
)
language plpgsql stable security definer
set search_path = ''
set plan_cache_mode = force_custom_plan
as $$
#variable_conflict use_column
declare
  everyone boolean := private.is_operator() or private.oversees_platform();
  owner uuid := (select auth.uid());
begin
  return query
  with lately as (
    select s.machine_id as id, count(*) as made
    from (select l.machine_id from public.signals l where l.user_id = owner order by l.id desc limit 1000) s
    group by s.machine_id
  ), held as (
    select a.lease_machine as machine_id, count(*) as accounts
    from public.exchange_accounts a
    where a.user_id = owner and a.leased_until >= now()
    group by a.lease_machine
  )
  select m.machine_id, m.region, m.roles, m.version, m.status, private.is_alive(m), m.started_at, m.last_heartbeat_at,
    trunc(private.decimal(m.details ->> 'errors'))::bigint, trunc(private.decimal(m.details #>> '{spool,pending}'))::bigint,
    trunc(private.decimal(m.details #>> '{spool,bytes}'))::bigint, coalesce(l.made, 0), coalesce(h.accounts, 0)
  from public.cloud_machines m
  left join lately l on l.id = m.id
  left join held h on h.machine_id = m.machine_id
  where everyone or l.id is not null or h.machine_id is not null
  order by m.last_heartbeat_at desc, m.machine_id;
end;
$$;

-- How the machines are that serve the caller: those that made the latest thousand of their signals (`made` so many), or
-- trade their accounts now. Who oversees the platform sees every machine. errors, spool_pending (signals that wait on its
-- disk) and spool_bytes as of its last heartbeat, null where it does not tell.
create function public.machine_health()
returns table (
  machine_id text, region text, roles text[], version text, status text, alive boolean, started_at timestamptz,
  last_heartbeat_at timestamptz, errors bigint, spool_pending bigint, spool_bytes bigint, made bigint, accounts bigint
)
language plpgsql stable
set search_path = ''
as $$
begin
  return query select * from private.machine_health();
end;
$$;

-- Functions: how well it was carried out ----------------------------------------------------------------------

-- What entries cost more than planned and how much of what was asked for was filled, of orders that were intended between
-- two times: a row a symbol, and one with a null symbol for all of them. In basis points of the plan's entry, positive is
-- worse; cost in quote currency.
create function public.slippage_summary(
  from_time timestamptz default now() - interval '30 days',
  to_time timestamptz default now()
)
returns table (
  symbol text, entries bigint, filled_whole bigint, fill_rate numeric, average_bps numeric, p95_bps numeric,
  worst_bps numeric, cost numeric
)
language plpgsql stable
set search_path = ''
set plan_cache_mode = force_custom_plan
set constraint_exclusion = off
as $$
#variable_conflict use_column
begin
  perform private.check_range(from_time, to_time);
  return query
  select o.symbol, count(*), count(*) filter (where o.status = 'filled'),
    round(sum(o.filled * coalesce(o.average, 0))
      / nullif(sum(o.amount * coalesce(o.average, q.entry, o.planned_price)), 0), 4),
    round(avg(q.slippage), 2), round((percentile_cont(0.95) within group (order by q.slippage))::numeric, 2),
    round(max(q.slippage), 2),
    trim_scale(round(coalesce(sum(o.filled * (o.average - q.entry) * case o.side when 'buy' then 1 else -1 end), 0), 8))
  from public.orders o
  join public.signals s on s.id = o.signal_id
  cross join lateral (
    select private.decimal(s.analysis_trade_plan ->> 'entry') as entry
  ) plan
  cross join lateral (
    select plan.entry, 10000 * (o.average - plan.entry) / nullif(plan.entry, 0)
      * case o.side when 'buy' then 1 else -1 end as slippage
  ) q
  where o.leg = 'entry' and o.status not in ('denied', 'rejected')
    and o.intended_at >= from_time and o.intended_at < to_time
  group by grouping sets ((o.symbol), ())
  having count(*) > 0
  order by grouping(o.symbol) desc, count(*) desc, o.symbol;
end;
$$;

-- How long signals took from one status to the next, in seconds, of the latest `most` that fired between two times: in the
-- domain's time (of a replay: the market's), and between the two transactions.
create function public.step_latencies(
  from_time timestamptz default now() - interval '1 day',
  to_time timestamptz default now(),
  most integer default 10000
)
returns table (
  from_status public.signal_status, to_status public.signal_status, signals bigint,
  market_p50 numeric, market_p95 numeric, database_p50 numeric, database_p95 numeric
)
language plpgsql stable
set search_path = ''
set plan_cache_mode = force_custom_plan
set constraint_exclusion = off
as $$
#variable_conflict use_column
declare
  least_id uuid;
  limit_id uuid;
begin
  perform private.check_range(from_time, to_time);
  if most is null or most not between 1 and 100000 then
    raise exception 'latencies are of 1 to 100000 signals, not of %', most using errcode = 'invalid_parameter_value';
  end if;
  least_id := public.signal_id_floor(from_time);
  limit_id := public.signal_id_floor(to_time);
  return query
  with chosen as (
    select s.id from public.signals s where s.id >= least_id and s.id < limit_id order by s.id desc limit most
  ), steps as (
    select e.from_status, e.to_status,
      extract(epoch from e.occurred_at - lag(e.occurred_at) over signal) as market,
      extract(epoch from e.created_at - lag(e.created_at) over signal) as database
    from chosen c
    join public.signal_events e on e.signal_id = c.id and e.signal_id >= least_id and e.signal_id < limit_id
    where e.to_status is not null
    window signal as (partition by e.signal_id order by e.number)
  )
  select s.from_status, s.to_status, count(*),
    round((percentile_cont(0.5) within group (order by s.market))::numeric, 3),
    round((percentile_cont(0.95) within group (order by s.market))::numeric, 3),
    round((percentile_cont(0.5) within group (order by s.database))::numeric, 3),
    round((percentile_cont(0.95) within group (order by s.database))::numeric, 3)
  from steps s
  where s.from_status is not null
  group by s.from_status, s.to_status
  order by s.from_status, s.to_status;
end;
$$;

-- Signals of the browser beside those of the machines: how many fired on the UTC days between two, both included, how
-- far they came, and what the trades that closed on those days were worth. Both sources have a row, also without
-- signals. At most a minute behind.
create function private.source_comparison(from_day date, to_day date)
returns table (
  source public.signal_source, signals bigint, traders bigint, approved bigint, rejected bigint, expired bigint,
  traded bigint, trades bigint, wins bigint, win_rate numeric, realized_pnl numeric, average_pnl numeric
)
language plpgsql stable security definer
set search_path = ''
set plan_cache_mode = force_custom_plan
as $$
#variable_conflict use_column
declare
  everyone boolean := private.is_operator();
  owner uuid := (select auth.uid());
begin
  perform private.check_days(from_day, to_day);
  return query
  with fired as (
    select t.source, sum(t.generated) as signals, count(distinct t.trader_id) as traders, sum(t.approved) as approved,
      sum(t.rejected) as rejected, sum(t.expired) as expired, sum(t.traded) as traded
    from private.trader_tallies t
    where t.day between from_day and to_day and (everyone or t.user_id = owner)
    group by t.source
  ), won as (
    select s.source, count(*) as trades, count(*) filter (where p.realized_pnl > 0) as wins, sum(p.realized_pnl) as pnl
    from public.positions p
    join public.signals s on s.id = p.signal_id
    where p.status = 'closed' and (everyone or p.user_id = owner)
      and p.closed_at >= from_day::timestamp at time zone 'UTC'
      and p.closed_at < (to_day + 1)::timestamp at time zone 'UTC'
    group by s.source
  )
  select k.source, coalesce(f.signals, 0)::bigint, coalesce(f.traders, 0), coalesce(f.approved, 0)::bigint,
    coalesce(f.rejected, 0)::bigint, coalesce(f.expired, 0)::bigint, coalesce(f.traded, 0)::bigint,
    coalesce(w.trades, 0), coalesce(w.wins, 0), round(w.wins::numeric / w.trades, 4), trim_scale(coalesce(w.pnl, 0)),
    round(w.pnl / w.trades, 8)
  from unnest(enum_range(null::public.signal_source)) k (source)
  left join fired f on f.source = k.source
  left join won w on w.source = k.source
  order by k.source;
end;
$$;

create function public.source_comparison(
  from_day date default (now() at time zone 'UTC')::date - 6,
  to_day date default (now() at time zone 'UTC')::date
)
returns table (
  source public.signal_source, signals bigint, traders bigint, approved bigint, rejected bigint, expired bigint,
  traded bigint, trades bigint, wins bigint, win_rate numeric, realized_pnl numeric, average_pnl numeric
)
language plpgsql stable
set search_path = ''
as $$
begin
  return query select * from private.source_comparison(from_day, to_day);
end;
$$;

-- Grants --------------------------------------------------------------------------------------------------

grant execute on function
  private.compacted_days(),
  private.compacted_tallies(uuid, timestamptz, timestamptz),
  private.check_range(timestamptz, timestamptz),
  private.check_time_zone(text),
  private.decimal(text),
  public.signal_performance(uuid),
  public.trader_performance(uuid, timestamptz, timestamptz),
  public.signal_series(timestamptz, timestamptz, interval, integer, uuid, text, text),
  public.trader_correlation(uuid[], timestamptz, timestamptz, interval),
  private.machine_attribution(date, date), public.machine_attribution(date, date),
  private.source_comparison(date, date), public.source_comparison(date, date),
  private.machine_health(), public.machine_health(),
  public.slippage_summary(timestamptz, timestamptz), public.step_latencies(timestamptz, timestamptz, integer)
  to authenticated, service_role;
