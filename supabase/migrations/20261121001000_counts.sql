-- Counts: how many signals each user has in which status (the rollup that spares every list a count), how many a user
-- recorded of a day (the quota of the tier), and how many analyses a trader used.

-- Tables --------------------------------------------------------------------------------------------------

create table public.signal_counts (
  user_id uuid not null,
  hour timestamptz not null,
  status public.signal_status not null,
  shard smallint not null,
  count bigint not null,
  primary key (user_id, hour, status, shard)
) with (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 500);
comment on table public.signal_counts is
  'Signals by the hour that they fired in and their status now. Sum over the shards; one shard may be negative.';

create table public.usage_daily (
  user_id uuid not null,
  day date not null,
  shard smallint not null,
  signals bigint not null default 0,
  primary key (user_id, day, shard)
) with (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 500);
comment on table public.usage_daily is
  'Signals recorded for a UTC day of triggered_at. Limited tiers count in shard 0 alone: its lock makes the quota exact.';

create table public.trader_usage_daily (
  trader_id uuid not null references public.traders (id) on delete cascade,
  day date not null,
  analyses integer not null default 0,
  primary key (trader_id, day)
) with (fillfactor = 70);

-- Functions -----------------------------------------------------------------------------------------------

-- A shard that no other transaction counts in until this one ends: so counting waits for nobody, and two transactions
-- that count for the same users in any order cannot deadlock. Few writers at once use few shards.
create function private.free_shard() returns smallint
language plpgsql volatile
set search_path = ''
as $$
declare
  -- 'shard' as a number: the class of these advisory locks.
  lock_class constant integer := 7342734;
begin
  for shard in 1..200 loop
    if pg_try_advisory_xact_lock(lock_class, shard) then
      return shard;
    end if;
  end loop;
  raise exception 'more than 200 transactions write signals at once' using errcode = 'too_many_connections';
end;
$$;

create function private.utc_day(moment timestamptz) returns date
language plpgsql immutable strict parallel safe
set search_path = ''
as $$
begin
  return (moment at time zone 'UTC')::date;
end;
$$;

-- Locks what limited users have used of these days, in order, before any of their signals is written. Everyone who
-- writes their signals comes through here first, so that the quota is exact and nobody waits crosswise.
create function private.lock_usage(users uuid[], days date[]) returns void
language plpgsql
set search_path = ''
as $$
begin
  insert into public.usage_daily (user_id, day, shard)
  select distinct u.user_id, u.day, 0
  from unnest(users, days) u (user_id, day)
  order by 1, 2
  on conflict do nothing;

  perform 1 from public.usage_daily d
  where d.shard = 0
    and (d.user_id, d.day) in (select u.user_id, u.day from unnest(users, days) u (user_id, day))
  order by d.user_id, d.day for update;
end;
$$;

create function private.count_new_signals() returns trigger
language plpgsql security definer
set search_path = ''
as $$
declare
  free_shard smallint := private.free_shard();
  over_quota record;
begin
  with added as materialized (
    -- The hour as date_trunc gives it for UTC, without looking up a time zone for each row.
    select s.user_id, date_bin(interval '1 hour', s.triggered_at, timestamptz 'epoch') as hour, s.status,
      count(*) as signals
    from new_signals s
    group by 1, 2, 3
  ), counted as (
    insert into public.signal_counts as c (user_id, hour, status, shard, count)
    select a.user_id, a.hour, a.status, free_shard, a.signals
    from added a
    order by 1, 2, 3
    on conflict (user_id, hour, status, shard) do update set count = c.count + excluded.count
  ), used as (
    insert into public.usage_daily as d (user_id, day, shard, signals)
    select a.user_id, (a.hour at time zone 'UTC')::date, case when t.signals_per_day is null then free_shard else 0 end,
      sum(a.signals)
    from added a
    join public.users u on u.id = a.user_id
    join public.tiers t on t.tier = u.tier
    group by 1, 2, 3
    order by 1, 2, 3
    on conflict (user_id, day, shard) do update set signals = d.signals + excluded.signals
    returning d.user_id, d.day, d.shard, d.signals
  )
  select c.user_id, c.day, t.tier, t.signals_per_day into over_quota
  from used c
  join public.users u on u.id = c.user_id
  join public.tiers t on t.tier = u.tier
  where c.shard = 0 and t.signals_per_day < c.signals + (
    select coalesce(sum(o.signals), 0) from public.usage_daily o
    where o.user_id = c.user_id and o.day = c.day and o.shard <> 0
  )
  limit 1;
  -- ingest_signals sorts these rows out beforehand; a plain insert learns it here.
  if found then
    raise exception 'quota_exceeded: tier % records at most % signals a day, and % is full',
      over_quota.tier, over_quota.signals_per_day, over_quota.day using errcode = 'check_violation';
  end if;
  return null;
end;
$$;

create trigger signals_counts after insert on public.signals
  referencing new table as new_signals
  for each statement execute function private.count_new_signals();

-- How many of the caller's signals are in which status, for the hours between two times.
create function public.signal_counts_by_status(from_time timestamptz, to_time timestamptz)
returns table (status public.signal_status, count bigint)
language sql stable
set search_path = ''
as $$
  select c.status, sum(c.count)::bigint
  from public.signal_counts c
  where c.hour >= date_trunc('hour', from_time, 'UTC') and c.hour < to_time
  group by c.status
  having sum(c.count) <> 0
  order by c.status;
$$;

-- How many of the caller's signals fired in which hour, the oldest first: what tells the way from a place in a long list
-- to its time without counting rows. statuses: only those that are in one of them now.
create function public.signal_counts_by_hour(statuses public.signal_status[] default null)
returns table (hour timestamptz, count bigint)
language sql stable
set search_path = ''
as $$
  select c.hour, sum(c.count)::bigint
  from public.signal_counts c
  where signal_counts_by_hour.statuses is null or c.status = any (signal_counts_by_hour.statuses)
  group by c.hour
  having sum(c.count) <> 0
  order by c.hour;
$$;

-- Policies and grants -------------------------------------------------------------------------------------

alter table public.signal_counts enable row level security;
alter table public.usage_daily enable row level security;
alter table public.trader_usage_daily enable row level security;

create policy "Users read their counts" on public.signal_counts
  for select to authenticated using (user_id = (select auth.uid()));
create policy "Users read their usage" on public.usage_daily
  for select to authenticated using (user_id = (select auth.uid()));
create policy "Users read their traders' usage" on public.trader_usage_daily
  for select to authenticated
  using (exists (
    select from public.traders t where t.id = trader_id and t.user_id = (select auth.uid())
  ));

grant select on public.signal_counts, public.usage_daily, public.trader_usage_daily to authenticated, service_role;
grant execute on function
  public.signal_counts_by_status(timestamptz, timestamptz), public.signal_counts_by_hour(public.signal_status[])
  to authenticated, service_role;
