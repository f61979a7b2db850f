-- The counters on the traders, rolled up by a job from the trail: what it counts was committed, and it counts it once.

create table private.rollups (
  name text primary key,
  -- Every event of a transaction below this one is counted.
  next_tx bigint not null
);
insert into private.rollups (name, next_tx) values ('trader counters', 0);
alter table private.rollups enable row level security;

-- Adds what the trail got since the last time to the counters. By transaction id, as seals do: all transactions below
-- the oldest one that still runs are over, so none of their events can appear later. How many traders changed.
create function private.roll_up_traders() returns integer
language plpgsql security definer
set search_path = ''
as $$
declare
  from_tx bigint;
  to_tx bigint;
  changed integer;
begin
  -- One roll-up at a time; the next one finds what this one leaves.
  select r.next_tx into from_tx from private.rollups r where r.name = 'trader counters' for update skip locked;
  if not found then
    return 0;
  end if;
  to_tx := pg_snapshot_xmin(pg_current_snapshot())::text::bigint;

  with news as (
    select s.trader_id,
      count(*) filter (where e.event_type = 'signal_created') as generated,
      count(*) filter (where e.to_status = 'ready') as successful,
      count(*) filter (where e.to_status = 'in_position') as executed,
      count(*) filter (where e.to_status = 'closed' and s.total_pnl > 0) as winning,
      coalesce(sum(s.total_pnl) filter (where e.to_status = 'closed'), 0) as pnl
    from public.signal_events e
    join public.signals s on s.id = e.signal_id
    where e.tx >= from_tx and e.tx < to_tx and e.to_status in ('new', 'ready', 'in_position', 'closed')
    group by s.trader_id
  ), locked as (
    select t.id from public.traders t where t.id in (select n.trader_id from news n) order by t.id for no key update
  )
  update public.traders t set
    total_signals_generated = t.total_signals_generated + n.generated,
    successful_signals = t.successful_signals + n.successful,
    total_trades_executed = t.total_trades_executed + n.executed,
    winning_trades = t.winning_trades + n.winning,
    total_pnl = t.total_pnl + n.pnl,
    counted_at = now()
  from news n, locked l
  where t.id = n.trader_id and l.id = t.id;
  get diagnostics changed = row_count;

  update private.rollups r set next_tx = to_tx where r.name = 'trader counters';
  return changed;
end;
$$;
