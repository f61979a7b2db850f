-- Tallies: how many signals of a day came how far, by trader, by symbol and by source. They outlive the signals
-- themselves, which a compaction takes out, and performance is counted from them. The roll-up keeps them, at most a
-- minute behind.

create table private.signal_tallies (
  user_id uuid not null,
  -- The UTC day that they fired on.
  day date not null,
  dimension text not null,
  -- The trader's id, the symbol, or the source: local, or cloud:<id of the machine>.
  key text not null,
  generated bigint not null default 0,
  approved bigint not null default 0,
  rejected bigint not null default 0,
  ready bigint not null default 0,
  traded bigint not null default 0,
  closed bigint not null default 0,
  expired bigint not null default 0,
  -- One by one and not together: traders times symbols would be nearly as many rows as there are signals.
  primary key (user_id, dimension, day, key),
  constraint "a dimension is trader, symbol or source" check (dimension in ('trader', 'symbol', 'source'))
) with (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.05);
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
      user_id, day, dimension, key, generated, approved, rejected, ready, traded, closed, expired
    )
    select s.user_id, $3,
      case when grouping(s.trader_id) = 0 then 'trader' when grouping(s.symbol) = 0 then 'symbol' else 'source' end,
      case when grouping(s.trader_id) = 0 then s.trader_id::text when grouping(s.symbol) = 0 then s.symbol
        else concat_ws(':', s.source, s.machine_id) end,
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
    group by grouping sets ((s.user_id, s.trader_id), (s.user_id, s.symbol), (s.user_id, s.source, s.machine_id))
    order by 1, 3, 4
    on conflict (user_id, dimension, day, key) do update set
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
