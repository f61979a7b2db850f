-- Tallies: how many signals of a day came how far, by what fired them and by symbol. They outlive the signals
-- themselves, which a compaction takes out, and performance is counted from them. The roll-up keeps them, at most a
-- minute behind.

-- Two tables and not one: traders times symbols would be nearly as many rows as there are signals.
create table private.trader_tallies (
  user_id uuid not null,
  -- The UTC day that they fired on.
  day date not null,
  trader_id uuid not null,
  source public.signal_source not null,
  machine_id uuid,
  generated bigint not null default 0,
  approved bigint not null default 0,
  rejected bigint not null default 0,
  ready bigint not null default 0,
  traded bigint not null default 0,
  closed bigint not null default 0,
  expired bigint not null default 0,
  unique nulls not distinct (user_id, day, trader_id, source, machine_id)
) with (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.05);
create index trader_tallies_trader_id_idx on private.trader_tallies (trader_id, day);
create index trader_tallies_day_idx on private.trader_tallies (day);
alter table private.trader_tallies enable row level security;

create table private.symbol_tallies (
  user_id uuid not null,
  day date not null,
  symbol text not null,
  generated bigint not null default 0,
  approved bigint not null default 0,
  rejected bigint not null default 0,
  ready bigint not null default 0,
  traded bigint not null default 0,
  closed bigint not null default 0,
  expired bigint not null default 0,
  primary key (user_id, day, symbol)
) with (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.05);
create index symbol_tallies_day_idx on private.symbol_tallies (day);
alter table private.symbol_tallies enable row level security;

-- Adds one day's events of these transactions to both. On the day's own partitions, like everything of the roll-up.
create function private.tally_day(day date, from_tx bigint, to_tx bigint) returns void
language plpgsql
set search_path = ''
as $$
begin
  execute format($tally$
    with news as materialized (
      select s.user_id, s.trader_id, s.source, s.machine_id, s.symbol,
        grouping(s.symbol) = 1 as by_trader,
        count(*) filter (where e.number = 1) as generated,
        count(*) filter (where e.to_status = 'monitoring') as approved,
        count(*) filter (where e.to_status = 'rejected') as rejected,
        count(*) filter (where e.to_status = 'ready') as ready,
        count(*) filter (where e.to_status = 'in_position') as traded,
        count(*) filter (where e.to_status = 'closed') as closed,
        count(*) filter (where e.to_status = 'expired') as expired
      from partitions.%I e
      join partitions.%I s on s.id = e.signal_id
      where e.tx >= $1 and e.tx < $2 and e.to_status is not null
      group by grouping sets ((s.user_id, s.trader_id, s.source, s.machine_id), (s.user_id, s.symbol))
    ), by_trader as (
      insert into private.trader_tallies as t (
        user_id, day, trader_id, source, machine_id, generated, approved, rejected, ready, traded, closed, expired
      )
      select n.user_id, $3, n.trader_id, n.source, n.machine_id,
        n.generated, n.approved, n.rejected, n.ready, n.traded, n.closed, n.expired
      from news n
      where n.by_trader
      order by 1, 3, 4, 5
      on conflict (user_id, day, trader_id, source, machine_id) do update set
        generated = t.generated + excluded.generated,
        approved = t.approved + excluded.approved,
        rejected = t.rejected + excluded.rejected,
        ready = t.ready + excluded.ready,
        traded = t.traded + excluded.traded,
        closed = t.closed + excluded.closed,
        expired = t.expired + excluded.expired
    )
    insert into private.symbol_tallies as t (
      user_id, day, symbol, generated, approved, rejected, ready, traded, closed, expired
    )
    select n.user_id, $3, n.symbol, n.generated, n.approved, n.rejected, n.ready, n.traded, n.closed, n.expired
    from news n
    where not n.by_trader
    order by 1, 3
    on conflict (user_id, day, symbol) do update set
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
