-- Analytics: performance by signal, trader, symbol, source and hour of day, kept ready in materialized views that
-- pg_cron refreshes. Nobody reaches them but through performance_by and traded_signals, which show one's own.

-- Views ---------------------------------------------------------------------------------------------------

-- A row a signal that was traded. Fractions and multiples as signal_performance has them.
create materialized view analytics.signal_performance as
select p.signal_id, p.id as position_id, p.user_id, p.trader_id, p.symbol, p.side, s.source, s.machine_id,
  s.triggered_at, s.ready_at, p.opened_at, p.closed_at, p.status, p.exit_reason as outcome_code,
  p.entry_average, p.exit_average, p.entry_amount, p.fees, p.realized_pnl,
  round(p.realized_pnl / nullif(p.entry_average * p.entry_amount, 0), 8) as return_fraction,
  round(p.realized_pnl / nullif(abs(p.entry_average - p.initial_stop_loss) * p.entry_amount, 0), 4) as r_multiple,
  round((p.entry_average - private.decimal(s.analysis_trade_plan ->> 'entry'))
    / nullif(private.decimal(s.analysis_trade_plan ->> 'entry'), 0) * case p.side when 'long' then 1 else -1 end, 8)
    as slippage_fraction
from public.positions p
join public.signals s on s.id = p.signal_id;

create unique index on analytics.signal_performance (signal_id);
create index on analytics.signal_performance (user_id, closed_at desc);

-- Signals of a UTC day and trades that closed on it, by what they belong to: the trader, the symbol, the source (local,
-- or cloud and the machine), or the UTC hour that the signals fired in. The day of a signal is when it fired, the day of
-- a trade when it closed; by hour, a trade goes with its signal.
create view analytics.daily_performance with (security_invoker = on) as
with closed as (
  select p.user_id, p.trader_id, p.symbol, s.triggered_at, p.closed_at, s.source, m.machine_id, p.realized_pnl, p.fees
  from public.positions p
  join public.signals s on s.id = p.signal_id
  left join public.cloud_machines m on m.id = s.machine_id
  where p.status = 'closed'
), parts as (
  select t.user_id, 'trader' as dimension, t.trader_id::text as key, t.day,
    t.generated, t.approved, t.rejected, t.expired, t.traded, null::numeric as pnl, null::numeric as fees
  from private.trader_tallies t
  union all
  select t.user_id, 'symbol', t.symbol, t.day, t.generated, t.approved, t.rejected, t.expired, t.traded, null, null
  from private.symbol_tallies t
  union all
  select t.user_id, 'source', concat_ws(':', t.source, m.machine_id), t.day,
    t.generated, t.approved, t.rejected, t.expired, t.traded, null, null
  from private.trader_tallies t
  left join public.cloud_machines m on m.id = t.machine_id
  union all
  -- The rollup knows what is and not what was: approved and traded are those that are, or were closed.
  select c.user_id, 'hour', to_char(c.hour at time zone 'UTC', 'HH24'), (c.hour at time zone 'UTC')::date, c.count,
    case when c.status in ('monitoring', 'ready', 'in_position', 'closed') then c.count else 0 end,
    case when c.status = 'rejected' then c.count else 0 end,
    case when c.status = 'expired' then c.count else 0 end,
    case when c.status in ('in_position', 'closed') then c.count else 0 end, null, null
  from public.signal_counts c
  union all
  select c.user_id, k.dimension, k.key, (k.at at time zone 'UTC')::date, 0, 0, 0, 0, 0, c.realized_pnl, c.fees
  from closed c
  cross join lateral (values
    ('trader', c.trader_id::text, c.closed_at),
    ('symbol', c.symbol, c.closed_at),
    ('source', concat_ws(':', c.source, c.machine_id), c.closed_at),
    ('hour', to_char(c.triggered_at at time zone 'UTC', 'HH24'), c.triggered_at)
  ) k (dimension, key, at)
)
select user_id, dimension, key, day,
  sum(generated) as signals, sum(approved) as approved, sum(rejected) as rejected, sum(expired) as expired,
  sum(traded) as traded, count(pnl) as trades,
  count(*) filter (where pnl > 0) as wins, count(*) filter (where pnl < 0) as losses,
  coalesce(sum(pnl), 0) as realized_pnl, coalesce(sum(fees), 0) as fees,
  coalesce(sum(pnl) filter (where pnl > 0), 0) as won, coalesce(-sum(pnl) filter (where pnl < 0), 0) as lost
from parts
group by user_id, dimension, key, day;

-- One for each dimension, so that each refresh is short.
create materialized view analytics.trader_performance as
select * from analytics.daily_performance where dimension = 'trader';
create materialized view analytics.symbol_performance as
select * from analytics.daily_performance where dimension = 'symbol';
create materialized view analytics.source_performance as
select * from analytics.daily_performance where dimension = 'source';
create materialized view analytics.hour_performance as
select * from analytics.daily_performance where dimension = 'hour';

create unique index on analytics.trader_performance (user_id, dimension, day, key);
create unique index on analytics.symbol_performance (user_id, dimension, day, key);
create unique index on analytics.source_performance (user_id, dimension, day, key);
create unique index on analytics.hour_performance (user_id, dimension, day, key);

create view analytics.performance with (security_invoker = on) as
select * from analytics.trader_performance
union all select * from analytics.symbol_performance
union all select * from analytics.source_performance
union all select * from analytics.hour_performance;

-- Functions -----------------------------------------------------------------------------------------------

-- Brings one view up to date, the next that this run of the job has not had yet; who reads it meanwhile sees the older
-- state. How many seconds it took, null when all had their turn.
create function private.refresh_analytics_step() returns jsonb
language plpgsql security definer
set search_path = ''
as $$
declare
  next_view text;
  began timestamptz := clock_timestamp();
begin
  select v.name into next_view
  from unnest(array[
    'signal_performance', 'trader_performance', 'symbol_performance', 'source_performance', 'hour_performance'
  ]) with ordinality v (name, place)
  where not private.done_so_far() ? v.name
  order by v.place
  limit 1;
  if not found then
    return null;
  end if;
  execute format('refresh materialized view concurrently analytics.%I', next_view);
  return jsonb_build_object(next_view, round(extract(epoch from clock_timestamp() - began), 3));
end;
$$;

select private.enter_job('analytics', '*/10 * * * *', 'refresh_analytics_step', interval '1 hour',
  'brings the performance views up to date');

-- By what became of signals, from the record itself: a signal's outcome code, or its status while it has none; profit goes
-- with the reason for which the position was closed.
create function private.performance_by_outcome(everyone boolean, owner uuid, from_day date, to_day date)
returns table (
  key text, signals bigint, approved bigint, rejected bigint, expired bigint, traded bigint, trades bigint,
  wins bigint, losses bigint, win_rate numeric, realized_pnl numeric, fees numeric, profit_factor numeric,
  average_pnl numeric
)
language plpgsql stable
set search_path = ''
set plan_cache_mode = force_custom_plan
set constraint_exclusion = off
as $$
#variable_conflict use_column
declare
  first_time timestamptz := from_day::timestamp at time zone 'UTC';
  limit_time timestamptz := (to_day + 1)::timestamp at time zone 'UTC';
  least_id uuid := public.signal_id_floor(first_time);
  limit_id uuid := public.signal_id_floor(limit_time);
begin
  return query
  with fired as (
    select coalesce(s.outcome_code, s.status::text) as key, count(*) as signals,
      count(*) filter (where s.status in ('monitoring', 'ready', 'in_position', 'closed')
        or (s.status = 'expired' and s.analyzed_at is not null)) as approved,
      count(*) filter (where s.status = 'rejected') as rejected,
      count(*) filter (where s.status = 'expired') as expired,
      count(*) filter (where s.position_opened_at is not null) as traded
    from public.signals s
    where s.id >= least_id and s.id < limit_id and (everyone or s.user_id = owner)
    group by 1
  ), ended as (
    select p.exit_reason as key, count(*) as trades, count(*) filter (where p.realized_pnl > 0) as wins,
      count(*) filter (where p.realized_pnl < 0) as losses, sum(p.realized_pnl) as pnl, sum(p.fees) as fees,
      sum(p.realized_pnl) filter (where p.realized_pnl > 0) as won,
      -sum(p.realized_pnl) filter (where p.realized_pnl < 0) as lost
    from public.positions p
    where p.status = 'closed' and p.closed_at >= first_time and p.closed_at < limit_time
      and (everyone or p.user_id = owner)
    group by p.exit_reason
  )
  select coalesce(f.key, e.key), coalesce(f.signals, 0), coalesce(f.approved, 0), coalesce(f.rejected, 0),
    coalesce(f.expired, 0), coalesce(f.traded, 0), coalesce(e.trades, 0), coalesce(e.wins, 0), coalesce(e.losses, 0),
    round(e.wins::numeric / e.trades, 4), trim_scale(coalesce(e.pnl, 0)), trim_scale(coalesce(e.fees, 0)),
    round(e.won / e.lost, 4), round(e.pnl / e.trades, 8)
  from fired f
  full join ended e on e.key = f.key
  order by coalesce(e.pnl, 0) desc, coalesce(f.signals, 0) desc, 1;
end;
$$;

create function private.performance_by(dimension text, from_day date, to_day date)
returns table (
  key text, signals bigint, approved bigint, rejected bigint, expired bigint, traded bigint, trades bigint,
  wins bigint, losses bigint, win_rate numeric, realized_pnl numeric, fees numeric, profit_factor numeric,
  average_pnl numeric
)
language plpgsql stable security definer
set search_path = ''
-- Planned with the caller in it, so that the index is used.
set plan_cache_mode = force_custom_plan
as $$
#variable_conflict use_column
declare
  everyone boolean := private.is_operator();
  owner uuid := (select auth.uid());
begin
  if performance_by.dimension is null or performance_by.dimension not in ('trader', 'symbol', 'source', 'hour', 'outcome') then
    raise exception 'a dimension is trader, symbol, source, hour or outcome, not %', performance_by.dimension
      using errcode = 'invalid_parameter_value';
  end if;
  perform private.check_days(from_day, to_day);
  if performance_by.dimension = 'outcome' then
    return query select * from private.performance_by_outcome(everyone, owner, from_day, to_day);
    return;
  end if;
  return query
  select v.key, sum(v.signals)::bigint, sum(v.approved)::bigint, sum(v.rejected)::bigint, sum(v.expired)::bigint,
    sum(v.traded)::bigint, sum(v.trades)::bigint, sum(v.wins)::bigint, sum(v.losses)::bigint,
    round(sum(v.wins)::numeric / nullif(sum(v.trades), 0), 4), trim_scale(sum(v.realized_pnl)), trim_scale(sum(v.fees)),
    round(sum(v.won) / nullif(sum(v.lost), 0), 4), round(sum(v.realized_pnl) / nullif(sum(v.trades), 0), 8)
  from analytics.performance v
  where v.dimension = performance_by.dimension and v.day between from_day and to_day
    and (everyone or v.user_id = owner)
  group by v.key
  order by sum(v.realized_pnl) desc, v.key;
end;
$$;

-- The caller's performance by trader, symbol, source (local, or cloud and the machine), UTC hour of day or outcome, over
-- the UTC days between two, both included; best first. By outcome as of now, else as of the last refresh, at most some
-- minutes ago.
create function public.performance_by(
  dimension text,
  from_day date default (now() at time zone 'UTC')::date - 30,
  to_day date default (now() at time zone 'UTC')::date
)
returns table (
  key text, signals bigint, approved bigint, rejected bigint, expired bigint, traded bigint, trades bigint,
  wins bigint, losses bigint, win_rate numeric, realized_pnl numeric, fees numeric, profit_factor numeric,
  average_pnl numeric
)
language plpgsql stable
set search_path = ''
as $$
begin
  return query select * from private.performance_by(dimension, from_day, to_day);
end;
$$;

create function private.traded_signals(from_time timestamptz, to_time timestamptz, most integer)
returns setof analytics.signal_performance
language plpgsql stable security definer
set search_path = ''
set plan_cache_mode = force_custom_plan
as $$
declare
  everyone boolean := private.is_operator();
  owner uuid := (select auth.uid());
begin
  perform private.check_range(from_time, to_time);
  if most is null or most not between 1 and 1000 then
    raise exception 'a page holds 1 to 1000 signals, not %', most using errcode = 'invalid_parameter_value';
  end if;
  return query
  select * from analytics.signal_performance v
  where v.closed_at >= from_time and v.closed_at < to_time and (everyone or v.user_id = owner)
  order by v.closed_at desc, v.signal_id
  limit most;
end;
$$;

-- The caller's trades that closed between two times, latest first, each with what it was worth. As of the last refresh;
-- signal_performance(signal_id) tells one as it is now.
create function public.traded_signals(
  from_time timestamptz default now() - interval '30 days',
  to_time timestamptz default now(),
  most integer default 100
)
returns table (
  signal_id uuid, position_id uuid, user_id uuid, trader_id uuid, symbol text, side public.trade_side,
  source public.signal_source, machine_id uuid, triggered_at timestamptz, ready_at timestamptz,
  opened_at timestamptz, closed_at timestamptz, status public.position_status, outcome_code text,
  entry_average numeric, exit_average numeric, entry_amount numeric, fees numeric, realized_pnl numeric,
  return_fraction numeric, r_multiple numeric, slippage_fraction numeric
)
language plpgsql stable
set search_path = ''
as $$
begin
  return query select * from private.traded_signals(from_time, to_time, most);
end;
$$;

-- Grants --------------------------------------------------------------------------------------------------

grant execute on function
  private.performance_by(text, date, date), public.performance_by(text, date, date),
  private.traded_signals(timestamptz, timestamptz, integer), public.traded_signals(timestamptz, timestamptz, integer)
  to authenticated, service_role;
