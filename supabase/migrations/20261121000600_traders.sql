-- The traders: a strategy of a user, what it looks at, when it fires, and how much it may risk.
-- What is impossible to trade is impossible to save; the names of the checks are what the user reads.

-- Types ---------------------------------------------------------------------------------------------------

create type public.trade_side as enum ('long', 'short');

-- Tables --------------------------------------------------------------------------------------------------

create table public.traders (
  id uuid primary key default gen_random_uuid(),
  user_id uuid not null default auth.uid() references public.users (id) on delete cascade,
  name text not null,
  status text not null default 'active',

  market text not null default 'usdm',
  symbols text[] not null,
  "interval" text not null,
  side public.trade_side not null default 'long',
  strategy text not null default '',
  conditions text[] not null,
  indicators jsonb not null default '[]',

  ai_analysis_limit integer default 10,
  min_confidence numeric not null default 0.6,
  monitoring_interval_seconds integer not null default 60,

  default_exchange_account_id uuid,
  position_size_type text not null default 'fixed',
  position_size_value numeric,
  max_concurrent_positions integer not null default 1,
  stop_loss_type text,
  stop_loss_value numeric,
  take_profit_type text,
  take_profit_value numeric,
  trailing_stop_type text,
  trailing_stop_value numeric,
  max_holding_seconds integer,

  total_signals_generated bigint not null default 0,
  successful_signals bigint not null default 0,
  total_trades_executed bigint not null default 0,
  winning_trades bigint not null default 0,
  total_pnl numeric not null default 0,
  counted_at timestamptz,

  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),

  constraint "a trader has a name of at most 100 characters" check (length(trim(name)) between 1 and 100),
  constraint "a trader is active, paused or deleted" check (status in ('active', 'paused', 'deleted')),
  constraint "a market is spot or usdm" check (market in ('spot', 'usdm')),
  constraint "on spot a trader can only go long" check (market <> 'spot' or side = 'long'),
  constraint "a trader watches 1 to 500 symbols"
    check (
      cardinality(symbols) between 1 and 500 and array_position(symbols, null) is null
      and array_position(symbols, '') is null
    ),
  constraint "the symbols of a trader have at most 20000 letters" check (length(array_to_string(symbols, '')) <= 20000),
  constraint "a strategy has at most 20000 letters" check (length(strategy) <= 20000),
  constraint "the indicators of a trader fit in 64 KB" check (octet_length(indicators::text) <= 65536),
  constraint "an interval is 1m, 3m, 5m, 15m, 30m, 1h, 4h or 1d"
    check ("interval" in ('1m', '3m', '5m', '15m', '30m', '1h', '4h', '1d')),
  constraint "a trader has 1 to 20 conditions of at most 2000 letters"
    check (
      cardinality(conditions) between 1 and 20 and array_position(conditions, null) is null
      and array_position(conditions, '') is null and length(array_to_string(conditions, '')) <= 2000
    ),
  constraint "an analysis limit is not negative" check (ai_analysis_limit >= 0),
  constraint "a confidence lies between 0 and 1" check (min_confidence between 0 and 1),
  constraint "a monitoring interval is 1 second to 1 day" check (monitoring_interval_seconds between 1 and 86400),

  constraint "a position size is fixed, percentage or risk_based"
    check (position_size_type in ('fixed', 'percentage', 'risk_based')),
  constraint "a position size is above zero and finite"
    check (position_size_value > 0 and position_size_value < 'infinity'),
  constraint "a fixed size is at most 10 million"
    check (position_size_type <> 'fixed' or position_size_value <= 10000000),
  constraint "a percentage size is at most 100 percent of the equity"
    check (position_size_type <> 'percentage' or position_size_value <= 100),
  constraint "a risk_based size risks at most 10 percent of the equity"
    check (position_size_type <> 'risk_based' or position_size_value <= 10),
  constraint "a risk_based size needs a stop loss"
    check (position_size_type <> 'risk_based' or position_size_value is null or stop_loss_type is not null),
  constraint "a trader holds 1 to 100 positions at once" check (max_concurrent_positions between 1 and 100),

  constraint "a stop loss is a percentage, a price or a multiple of atr"
    check (stop_loss_type in ('percentage', 'price', 'atr')),
  constraint "a stop loss has both a type and a value" check ((stop_loss_type is null) = (stop_loss_value is null)),
  constraint "a stop loss is above zero and finite" check (stop_loss_value > 0 and stop_loss_value < 'infinity'),
  constraint "a percentage stop loss is below 100" check (stop_loss_type <> 'percentage' or stop_loss_value < 100),
  constraint "a take profit is a percentage, a price or a multiple of atr"
    check (take_profit_type in ('percentage', 'price', 'atr')),
  constraint "a take profit has both a type and a value"
    check ((take_profit_type is null) = (take_profit_value is null)),
  constraint "a take profit is above zero and finite"
    check (take_profit_value > 0 and take_profit_value < 'infinity'),
  constraint "a percentage take profit of a short is below 100"
    check (side <> 'short' or take_profit_type <> 'percentage' or take_profit_value < 100),
  constraint "a stop price lies on the losing side of the take price"
    check (
      stop_loss_type <> 'price' or take_profit_type <> 'price'
      or (side = 'long' and stop_loss_value < take_profit_value)
      or (side = 'short' and stop_loss_value > take_profit_value)
    ),
  constraint "a trailing stop is a percentage or a multiple of atr"
    check (trailing_stop_type in ('percentage', 'atr')),
  constraint "a trailing stop has both a type and a value"
    check ((trailing_stop_type is null) = (trailing_stop_value is null)),
  constraint "a trailing stop is above zero and finite"
    check (trailing_stop_value > 0 and trailing_stop_value < 'infinity'),
  constraint "a percentage trailing stop is below 100"
    check (trailing_stop_type <> 'percentage' or trailing_stop_value < 100),
  constraint "a position is held for a minute to a year" check (max_holding_seconds between 60 and 31536000)
);

comment on column public.traders.position_size_value is
  'fixed: an amount of the quote currency; percentage: percent of the equity; risk_based: percent of the equity that '
  'a stop may cost. Null: the trader does not trade.';
comment on column public.traders.ai_analysis_limit is
  'Analyses for one UTC day of triggered_at; null is unlimited.';
comment on column public.traders.total_signals_generated is
  'This and the four counters below are rolled up by a job, at most a minute behind.';

create index traders_user_id_idx on public.traders (user_id);

-- Triggers ------------------------------------------------------------------------------------------------

-- A roll-up of the counters is no change of the trader.
create trigger traders_touch before update on public.traders
  for each row when (old.counted_at is not distinct from new.counted_at)
  execute function private.touch();

-- A trader that is not the owner's any more would take its signals' history along.
create function private.refuse_new_owner() returns trigger
language plpgsql
set search_path = ''
as $$
begin
  raise exception 'trader % stays with user %', old.id, old.user_id using errcode = 'check_violation';
end;
$$;

create trigger traders_keep_owner before update of id, user_id on public.traders
  for each row when (old.id <> new.id or old.user_id <> new.user_id)
  execute function private.refuse_new_owner();

-- Policies and grants -------------------------------------------------------------------------------------

alter table public.traders enable row level security;

create policy "Users read their traders" on public.traders
  for select to authenticated using (user_id = (select auth.uid()));
create policy "Users make their traders" on public.traders
  for insert to authenticated with check (user_id = (select auth.uid()));
create policy "Users change their traders" on public.traders
  for update to authenticated
  using (user_id = (select auth.uid())) with check (user_id = (select auth.uid()));
create policy "Machines read all traders" on public.traders
  for select to signal_worker, analyst, trading_bridge using (true);

-- A trader is never deleted by a client, it becomes 'deleted': its signals still point at it.
grant select on public.traders to authenticated, signal_worker, analyst, trading_bridge;
grant insert (
  id, user_id, name, status, market, symbols, "interval", side, strategy, conditions, indicators,
  ai_analysis_limit, min_confidence, monitoring_interval_seconds, default_exchange_account_id,
  position_size_type, position_size_value, max_concurrent_positions, stop_loss_type, stop_loss_value,
  take_profit_type, take_profit_value, trailing_stop_type, trailing_stop_value,
  max_holding_seconds
) on public.traders to authenticated;
grant update (
  name, status, market, symbols, "interval", side, strategy, conditions, indicators,
  ai_analysis_limit, min_confidence, monitoring_interval_seconds, default_exchange_account_id,
  position_size_type, position_size_value, max_concurrent_positions, stop_loss_type, stop_loss_value,
  take_profit_type, take_profit_value, trailing_stop_type, trailing_stop_value,
  max_holding_seconds
) on public.traders to authenticated;
grant select, insert, update on public.traders to service_role;
