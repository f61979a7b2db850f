-- Tallies: how many signals of a day came how far, by what fired them. They outlive the signals themselves, which a
-- compaction takes out, and performance is counted from them. The roll-up keeps them, at most a minute behind.

create table private.signal_tallies (
  user_id uuid not null,
  trader_id uuid not null,
  -- The UTC day that they fired on.
  day date not null,
  symbol text not null,
  source public.signal_source not null,
  machine_id uuid,
  generated bigint not null default 0,
  approved bigint not null default 0,
  rejected bigint not null default 0,
  ready bigint not null default 0,
  traded bigint not null default 0,
  closed bigint not null default 0,
  expired bigint not null default 0,
  unique nulls not distinct (trader_id, day, symbol, source, machine_id)
) with (fillfactor = 80, autovacuum_vacuum_scale_factor = 0.05);
create index signal_tallies_user_id_idx on private.signal_tallies (user_id, day);
create index signal_tallies_day_idx on private.signal_tallies (day);
alter table private.signal_tallies enable row level security;

-- Adds one day's events of these transactions. On the day's own partitions, like everything of the roll-up.
create function private.tally_day(day date, from_tx bigint, to_tx bigint) returns void
language plpgsql
set search_path = ''
as $$
begin
  execute format($tally$
    insert into private.signal_tallies as t (
      user_id, trader_id, day, symbol, source, machine_id,
      generated, approved, rejected, ready, traded, closed, expired
    )
    select s.user_id, s.trader_id, $3, s.symbol, s.source, s.machine_id,
      count(*) filter (where e.number = 1),
      count(*) filter (where e.to_status = 'monitoring'),
      count(*) filter (where e.to_status = 'rejected'),
      count(*) filter (where e.to_status = 'ready'),
      count(*) filter (where e.to_status = 'in_position'),
      count(*) filter (where e.to_status = 'closed'),
      count(*) filter (where e.to_status = 'expired')
    from partitions.%I e
    join partitions.%I s on s.id = e.signal_id
    where e.tx >= $1 and e.tx < $2 and e.to_status is not null
    group by s.user_id, s.trader_id, s.symbol, s.source, s.machine_id
    on conflict (trader_id, day, symbol, source, machine_id) do update set
      generated = t.generated + excluded.generated,
      approved = t.approved + excluded.approved,
      rejected = t.rejected + excluded.rejected,
      ready = t.ready + excluded.ready,
      traded = t.traded + excluded.traded,
      closed = t.closed + excluded.closed,
      expired = t.expired + excluded.expired
    $tally$, private.partition_name('signal_events', day), private.partition_name('signals', day))
  using from_tx, to_tx, day;
end;
$$;
