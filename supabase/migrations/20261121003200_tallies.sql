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
