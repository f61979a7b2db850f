-- The roll-up: one pass over what is new in the trail keeps the summaries by minute, hour and day, the counters on the
-- traders, the tallies and the last write of each day. By transaction id, as seals go: what commits late is counted when it commits,
-- once, in the period that its signal fired in. Nothing is ever subtracted, so that compaction changes nothing here.

-- Tables --------------------------------------------------------------------------------------------------

create table private.rollups (
  name text primary key,
  -- Every event of a transaction below this one is counted.
  next_tx bigint not null,
  -- Whatever was written before this time is counted.
  counted_to timestamptz not null default now(),
  -- How many transactions the next step reads: as many as wrote about 100,000 events in the last one.
  step_tx bigint not null default 20000
);
insert into private.rollups (name, next_tx) values ('events', pg_snapshot_xmin(pg_current_snapshot())::text::bigint);
alter table private.rollups enable row level security;

create table public.signal_metrics_summary (
  user_id uuid not null,
  period_type text not null,
  period_start timestamptz not null,
  period_end timestamptz not null,
  total_signals bigint not null default 0,
  approved_signals bigint not null default 0,
  rejected_signals bigint not null default 0,
  traded_signals bigint not null default 0,
  closed_signals bigint not null default 0,
  expired_signals bigint not null default 0,
  failed_signals bigint not null default 0,
  total_pnl numeric not null default 0,
  -- The signals that got a verdict, and how long all of them together waited for it.
  processed_signals bigint not null default 0,
  processing_time interval not null default '0',
  avg_processing_time interval generated always as (processing_time / nullif(processed_signals, 0)) stored,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  primary key (user_id, period_type, period_start),
  constraint "a period is a minute, an hour or a day" check (period_type in ('minute', 'hour', 'day')),
  constraint "a period ends after it starts" check (period_end > period_start)
) with (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.05);
create index signal_metrics_summary_period_idx on public.signal_metrics_summary (period_type, period_start);

comment on table public.signal_metrics_summary is
  'What became of the signals that fired in a minute, an hour or a day (UTC). Kept up to date by the job "roll up".';
comment on column public.signal_metrics_summary.failed_signals is
  'Ended by a failure and not by a decision: the analysis failed, an order was refused, a stop could not be placed.';
comment on column public.signal_metrics_summary.avg_processing_time is
  'From the candle''s close to the verdict, in the domain''s time.';

-- What the traders' counters still have to get: added by whole steps, so that a trader is locked for milliseconds.
create table private.trader_changes (
  id bigint generated always as identity primary key,
  trader_id uuid not null,
  generated bigint not null,
  successful bigint not null,
  executed bigint not null,
  winning bigint not null,
  pnl numeric not null
);
create index trader_changes_trader_id_idx on private.trader_changes (trader_id);
alter table private.trader_changes enable row level security;

-- Functions: counting -------------------------------------------------------------------------------------

-- Ends that are failures and not decisions.
create function private.is_failure(outcome_code text) returns boolean
language sql immutable
set search_path = ''
as $$
  select coalesce(outcome_code in ('analysis_failed', 'order_rejected', 'order_denied', 'protection_failed'), false);
$$;

-- Counts one day's events of these transactions, for the summaries, the traders' counters and both tallies: they are
-- read once, since looking up their signals is most of the work. On the day's own partitions, because the planner would
-- search all days for the signals of events that it knows nothing about.
create function private.count_day(book private.partition_days, from_tx bigint, to_tx bigint) returns void
language plpgsql
set search_path = ''
-- A hundred thousand events are grouped in memory; on disk it takes half as long again.
set work_mem = '64MB'
as $$
begin
  execute format($count$
    with news as materialized (
      select s.user_id, s.trader_id, s.source, s.machine_id, s.symbol,
        date_bin('1 minute', s.triggered_at, timestamptz 'epoch') as minute,
        grouping(s.symbol) = 1 as by_trader,
        count(*) filter (where e.number = 1) as generated,
        count(*) filter (where e.to_status = 'monitoring') as approved,
        count(*) filter (where e.to_status = 'rejected') as rejected,
        count(*) filter (where e.to_status = 'ready') as ready,
        count(*) filter (where e.to_status = 'in_position') as traded,
        count(*) filter (where e.to_status = 'closed') as closed,
        count(*) filter (where e.to_status = 'closed' and s.total_pnl > 0) as winning,
        count(*) filter (where e.to_status = 'expired') as expired,
        count(*) filter (where e.to_status in ('rejected', 'closed', 'expired')
          and private.is_failure(e.event_data ->> 'outcome_code')) as failed,
        coalesce(sum(s.total_pnl) filter (where e.to_status = 'closed'), 0) as pnl,
        count(*) filter (where e.to_status in ('monitoring', 'rejected')) as processed,
        coalesce(sum(greatest(e.occurred_at - s.triggered_at, interval '0'))
          filter (where e.to_status in ('monitoring', 'rejected')), interval '0') as processing
      from partitions.%I e
      join partitions.%I s on s.id = e.signal_id
      where e.tx >= $1 and e.tx < $2 and e.to_status is not null
      group by grouping sets ((s.user_id, s.trader_id, s.source, s.machine_id, minute), (s.user_id, s.symbol))
    ), counters as (
      insert into private.trader_changes (trader_id, generated, successful, executed, winning, pnl)
      select n.trader_id, sum(n.generated), sum(n.ready), sum(n.traded), sum(n.winning), sum(n.pnl)
      from news n
      where n.by_trader
      group by n.trader_id
      having sum(n.generated + n.ready + n.traded + n.closed) > 0
    ), trader_tallies as (
      insert into private.trader_tallies as t (
        user_id, day, trader_id, source, machine_id, generated, approved, rejected, ready, traded, closed, expired
      )
      select n.user_id, $6, n.trader_id, n.source, n.machine_id,
        sum(n.generated), sum(n.approved), sum(n.rejected), sum(n.ready), sum(n.traded), sum(n.closed), sum(n.expired)
      from news n
      where n.by_trader
      group by n.user_id, n.trader_id, n.source, n.machine_id
      order by n.user_id, n.trader_id, n.source, n.machine_id
      on conflict (user_id, day, trader_id, source, machine_id) do update set
        generated = t.generated + excluded.generated,
        approved = t.approved + excluded.approved,
        rejected = t.rejected + excluded.rejected,
        ready = t.ready + excluded.ready,
        traded = t.traded + excluded.traded,
        closed = t.closed + excluded.closed,
        expired = t.expired + excluded.expired
    ), symbol_tallies as (
      insert into private.symbol_tallies as t (
        user_id, day, symbol, generated, approved, rejected, ready, traded, closed, expired
      )
      select n.user_id, $6, n.symbol, n.generated, n.approved, n.rejected, n.ready, n.traded, n.closed, n.expired
      from news n
      where not n.by_trader
      order by n.user_id, n.symbol
      on conflict (user_id, day, symbol) do update set
        generated = t.generated + excluded.generated,
        approved = t.approved + excluded.approved,
        rejected = t.rejected + excluded.rejected,
        ready = t.ready + excluded.ready,
        traded = t.traded + excluded.traded,
        closed = t.closed + excluded.closed,
        expired = t.expired + excluded.expired
    ), minutes as (
      select n.user_id, n.minute, sum(n.generated) as generated, sum(n.approved) as approved,
        sum(n.rejected) as rejected, sum(n.traded) as traded, sum(n.closed) as closed, sum(n.expired) as expired,
        sum(n.failed) as failed, sum(n.pnl) as pnl, sum(n.processed) as processed, sum(n.processing) as processing
      from news n
      where n.by_trader
      group by n.user_id, n.minute
    )
    insert into public.signal_metrics_summary as m (
      user_id, period_type, period_start, period_end, total_signals, approved_signals, rejected_signals,
      traded_signals, closed_signals, expired_signals, failed_signals, total_pnl, processed_signals, processing_time
    )
    select n.user_id, p.period_type, date_bin(p.length, n.minute, timestamptz 'epoch'),
      date_bin(p.length, n.minute, timestamptz 'epoch') + p.length,
      sum(n.generated), sum(n.approved), sum(n.rejected), sum(n.traded), sum(n.closed), sum(n.expired), sum(n.failed),
      sum(n.pnl), sum(n.processed), sum(n.processing)
    from minutes n
    cross join (values ('minute', interval '1 minute', $3), ('hour', interval '1 hour', $4), ('day', interval '24 hours', $5))
      p (period_type, length, kept)
    where p.kept
    group by n.user_id, p.period_type, p.length, date_bin(p.length, n.minute, timestamptz 'epoch')
    order by 1, 2, 3
    on conflict (user_id, period_type, period_start) do update set
      total_signals = m.total_signals + excluded.total_signals,
      approved_signals = m.approved_signals + excluded.approved_signals,
      rejected_signals = m.rejected_signals + excluded.rejected_signals,
      traded_signals = m.traded_signals + excluded.traded_signals,
      closed_signals = m.closed_signals + excluded.closed_signals,
      expired_signals = m.expired_signals + excluded.expired_signals,
      failed_signals = m.failed_signals + excluded.failed_signals,
      total_pnl = m.total_pnl + excluded.total_pnl,
      processed_signals = m.processed_signals + excluded.processed_signals,
      processing_time = m.processing_time + excluded.processing_time,
      updated_at = now()
    $count$, private.partition_name('signal_events', book.day), private.partition_name('signals', book.day))
  using from_tx, to_tx, book.minutes_pruned_at is null, book.hours_pruned_at is null, book.days_pruned_at is null,
    book.day;
end;
$$;

-- The time before which everything is settled, together with the transaction id that says the same exactly.
create function private.settled_to(out tx bigint, out at timestamptz)
language plpgsql stable
set search_path = ''
as $$
begin
  select least(now(), min(a.xact_start)) into at
  from pg_catalog.pg_stat_activity a
  where a.backend_xid is not null and a.pid <> pg_backend_pid();
  tx := private.tx_horizon();
end;
$$;

-- Counts what the trail got since the last time, some 100,000 events of it: all transactions below the oldest one that
-- still runs are over, so none of their events can appear later. How many events, null when there were none.
create function private.count_events() returns jsonb
language plpgsql security definer
set search_path = ''
set jit = off
as $$
declare
  most constant bigint := 20000;
  most_events constant bigint := 100000;
  from_tx bigint;
  to_tx bigint;
  step bigint;
  settled record;
  days integer := 0;
  events bigint := 0;
  fresh record;
  book private.partition_days;
begin
  loop
    -- One at a time; the next one finds what this one leaves.
    select r.next_tx, r.step_tx into from_tx, step from private.rollups r where r.name = 'events' for update skip locked;
    if not found then
      return null;
    end if;
    settled := private.settled_to();
    to_tx := greatest(from_tx, least(settled.tx, from_tx + step));
    for fresh in
      select to_date(right(c.relname, 8), 'YYYYMMDD') as day, n.events, n.last_write_at
      from (
        select e.tableoid, count(*) as events, max(e.created_at) as last_write_at
        from public.signal_events e
        where e.tx >= from_tx and e.tx < to_tx
        group by e.tableoid
      ) n
      join pg_catalog.pg_class c on c.oid = n.tableoid
      order by 1
    loop
      update private.partition_days d set last_write_at = greatest(d.last_write_at, fresh.last_write_at)
      where d.day = fresh.day
      returning * into book;
      book.day := fresh.day;
      perform private.count_day(book, from_tx, to_tx);
      days := days + 1;
      events := events + fresh.events;
    end loop;
    update private.rollups r set
      next_tx = to_tx, counted_to = case when to_tx >= settled.tx then settled.at else r.counted_to end,
      step_tx = case
        when to_tx > from_tx then greatest(least((to_tx - from_tx) * most_events / greatest(events, 1), most), 20)
        else r.step_tx
      end
    where r.name = 'events';
    exit when days > 0 or to_tx >= settled.tx;
  end loop;
  return case when days > 0 then jsonb_build_object('events', events, 'days', days) end;
end;
$$;

-- Adds to the counters of up to 500 traders what is counted; of a trader that somebody changes right now the next time.
-- How many traders, null when there were none.
create function private.apply_counters() returns jsonb
language plpgsql security definer
set search_path = ''
set jit = off
as $$
declare
  due uuid[];
  free uuid[];
begin
  due := array(select distinct c.trader_id from private.trader_changes c order by 1);
  free := array(
    select t.id from public.traders t where t.id = any (due) order by t.id limit 500 for no key update skip locked
  );
  -- Whoever deleted a trader wants no counters of it.
  delete from private.trader_changes c
  where c.trader_id = any (due) and not exists (select from public.traders t where t.id = c.trader_id);
  if free = '{}' then
    return null;
  end if;
  with news as (
    delete from private.trader_changes c where c.trader_id = any (free) returning *
  ), sums as (
    select n.trader_id, sum(n.generated) as generated, sum(n.successful) as successful, sum(n.executed) as executed,
      sum(n.winning) as winning, sum(n.pnl) as pnl
    from news n
    group by n.trader_id
  )
  update public.traders t set
    total_signals_generated = t.total_signals_generated + s.generated,
    successful_signals = t.successful_signals + s.successful,
    total_trades_executed = t.total_trades_executed + s.executed,
    winning_trades = t.winning_trades + s.winning,
    total_pnl = t.total_pnl + s.pnl,
    counted_at = now()
  from sums s
  where t.id = s.trader_id;
  return jsonb_build_object('traders', cardinality(free));
end;
$$;

-- Whether there is more to read than what came in meanwhile.
create function private.roll_up_is_behind() returns boolean
language plpgsql stable
set search_path = ''
as $$
begin
  return (select private.tx_horizon() - r.next_tx > least(r.step_tx / 2, 1000) from private.rollups r where r.name = 'events');
end;
$$;

-- One step of the job: what is new is counted, and goes to the traders once little of it is left, or after every
-- 300,000 events. Then the run counts no more, or it would never end while signals arrive.
create function private.roll_up_step() returns jsonb
language plpgsql
set search_path = ''
as $$
declare
  much constant bigint := 50000;
  most constant bigint := 300000;
  so_far jsonb := private.done_so_far();
  counted jsonb;
begin
  if so_far ? 'traders' then
    return private.apply_counters();
  end if;
  counted := private.count_events();
  if counted is null then
    return private.apply_counters();
  elsif ((counted ->> 'events')::bigint > much or private.roll_up_is_behind())
    and coalesce((so_far ->> 'events')::bigint, 0) < most then
    return counted;
  end if;
  return private.add_counts(counted, coalesce(private.apply_counters(), '{"traders": 0}'));
end;
$$;

-- The whole roll-up in one transaction, for whoever wants the counts now. What it counted.
create function private.roll_up() returns jsonb
language plpgsql security definer
set search_path = ''
as $$
declare
  step jsonb;
  done jsonb := '{}'::jsonb;
begin
  -- A run of the job in this transaction may have left off counting.
  perform set_config('sigtrail.done_so_far', '', true);
  loop
    step := private.roll_up_step();
    exit when step is null;
    done := private.add_counts(done, step);
  end loop;
  return done;
end;
$$;

-- Policies and grants -------------------------------------------------------------------------------------

alter table public.signal_metrics_summary enable row level security;

create policy "Users read their summaries" on public.signal_metrics_summary
  for select to authenticated using (user_id = (select auth.uid()));

grant select on public.signal_metrics_summary to authenticated, service_role;
