-- Positions and their fills. Amounts, averages, fees and profit are derived from trade_executions, in the
-- transaction that records a fill: nobody writes them, so they cannot differ.

-- Types ---------------------------------------------------------------------------------------------------

create type public.position_status as enum (
  'open',
  'closed' -- flat, and none of its orders can fill any more
);

-- Tables --------------------------------------------------------------------------------------------------

create table public.positions (
  id uuid primary key,
  user_id uuid not null,
  account_id uuid not null references public.exchange_accounts (id),
  trader_id uuid not null,
  signal_id uuid not null unique,
  symbol text not null,
  normalised_symbol text not null,
  side public.trade_side not null,
  status public.position_status not null default 'open',

  -- The least amount that the venue trades: what is below is dust.
  lot numeric not null,
  stop_loss numeric not null,
  initial_stop_loss numeric not null,
  take_profit numeric,
  trailing_percent numeric,
  -- When the bridge closes it, whatever it earns by then.
  closes_at timestamptz,
  -- Why it is being flattened, or was closed.
  exit_reason text references public.outcome_codes (code),

  -- Derived from the executions. `amount` is what is held now, fees in the base currency taken off.
  amount numeric not null default 0,
  entry_amount numeric not null default 0,
  entry_average numeric,
  exit_amount numeric not null default 0,
  exit_average numeric,
  -- In quote currency. realized_pnl has the fees taken off; gross_pnl = realized_pnl + fees.
  fees numeric not null default 0,
  realized_pnl numeric not null default 0,
  gross_pnl numeric generated always as (realized_pnl + fees) stored,
  -- What the venue closed or swallowed without a trade of ours.
  written_off numeric not null default 0,
  -- The last price that the bridge told of its symbol, and the wall's time of it: what it stands to lose counts against
  -- loss limits. Where the venue would liquidate it, as far as the venue says.
  mark_price numeric,
  marked_at timestamptz,
  liquidation_price numeric,
  -- What the fills cost against what was planned, in quote currency; below zero they were better.
  entry_slippage numeric not null default 0,
  exit_slippage numeric not null default 0,
  -- What is left of a closed one: nothing, less than the venue trades, or what the venue took without a trade.
  close_state text generated always as (case
    when status <> 'closed' then null
    when written_off <> 0 then 'written_off'
    when amount <> 0 then 'dust'
    else 'flat' end) stored,

  opened_at timestamptz not null,
  closed_at timestamptz,
  status_at timestamptz not null,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),

  constraint "a lot is above zero" check (lot > 0),
  constraint "a mark price is above zero and finite" check (mark_price > 0 and mark_price < 'infinity'),
  constraint "a liquidation price is above zero and finite" check (liquidation_price > 0 and liquidation_price < 'infinity'),
  constraint "a stop loss is above zero" check (stop_loss > 0 and initial_stop_loss > 0),
  constraint "a closed position is flat but for dust"
    check (status <> 'closed' or abs(amount - written_off) < lot),
  constraint "a closed position has its end and its reason, an open one no end"
    check ((status = 'closed') = (closed_at is not null) and (status <> 'closed' or exit_reason is not null))
);
create index positions_by_user on public.positions (user_id, opened_at desc);
create index positions_by_account on public.positions (account_id, status);
create index positions_by_trader on public.positions (trader_id, status);
create index positions_by_exit_reason on public.positions (exit_reason);

create trigger positions_touch before update on public.positions
  for each row execute function private.touch();

create table public.trade_executions (
  id uuid primary key,
  user_id uuid not null,
  account_id uuid not null references public.exchange_accounts (id),
  order_id uuid not null references public.orders (id),
  position_id uuid not null references public.positions (id),
  signal_id uuid not null,
  venue_trade_id text not null,
  venue_order_id text,
  symbol text not null,
  normalised_symbol text not null,
  leg public.order_leg not null,
  side text not null,
  price numeric not null,
  amount numeric not null,
  cost numeric generated always as (price * amount) stored,
  fee_cost numeric not null default 0,
  fee_currency text,
  -- Whether the fee came out of the base or the quote currency, or another one.
  fee_from text not null default 'quote',
  -- The fee's value in quote currency: by the fill's price, or by `fee_rate` for a third currency. Null while nobody could
  -- say what it is worth, for the reason in `fee_open`; filled in once, and it counts from then on.
  fee_quote numeric default 0,
  fee_open text,
  -- What the fill did to the account. The sum of quote_change of a closed position is its realized profit.
  base_change numeric generated always as (
    case side when 'buy' then amount else -amount end - case fee_from when 'base' then fee_cost else 0 end) stored,
  quote_change numeric generated always as (
    case side when 'buy' then -(price * amount) else price * amount end
    - case fee_from when 'base' then 0 else coalesce(fee_quote, 0) end) stored,
  is_maker boolean,
  executed_at timestamptz not null,
  created_at timestamptz not null default now(),
  -- By symbol: Binance counts the trades of each symbol for itself.
  unique (account_id, normalised_symbol, venue_trade_id),
  constraint "an execution buys or sells" check (side in ('buy', 'sell')),
  constraint "a price and an amount are above zero and finite"
    check (price > 0 and amount > 0 and price < 'infinity' and amount < 'infinity'),
  constraint "a fee is finite and known in quote currency"
    check (fee_cost > '-infinity' and fee_cost < 'infinity' and fee_quote > '-infinity' and fee_quote < 'infinity'),
  constraint "a fee is paid in base, quote or another currency" check (fee_from in ('base', 'quote', 'other')),
  constraint "only a fee in another currency stays open, and with a reason"
    check ((fee_quote is null) = (fee_open is not null) and (fee_open is null or fee_from = 'other'))
);
create index trade_executions_by_order on public.trade_executions (order_id);
create index trade_executions_by_position on public.trade_executions (position_id);
create index trade_executions_by_signal on public.trade_executions (signal_id);
create index trade_executions_by_user on public.trade_executions (user_id, executed_at desc);

create index trade_executions_by_open_fee on public.trade_executions (account_id, executed_at) where fee_quote is null;

-- What a fee was worth may be learned later; everything else of a fill stays as it was told.
create function private.keep_execution() returns trigger
language plpgsql
set search_path = ''
as $$
declare
  learned text[] := array['fee_quote', 'fee_open', 'cost', 'base_change', 'quote_change'];
begin
  if old.fee_quote is null and new.fee_quote is not null and to_jsonb(old) - learned = to_jsonb(new) - learned then
    return new;
  end if;
  raise exception 'trade_executions is append-only: update is refused'
    using errcode = 'insufficient_privilege', hint = 'what a fee was worth is told with its fill, once';
end;
$$;

create trigger trade_executions_keep before update on public.trade_executions
  for each row execute function private.keep_execution();
create trigger trade_executions_append_only before delete on public.trade_executions
  for each row execute function private.refuse_to_rewrite();
create trigger trade_executions_no_truncate before truncate on public.trade_executions
  for each statement execute function private.refuse_to_rewrite();

create table public.signal_positions (
  signal_id uuid not null,
  position_id uuid not null references public.positions (id),
  user_id uuid not null,
  created_at timestamptz not null default now(),
  primary key (signal_id, position_id)
);
create index signal_positions_by_position on public.signal_positions (position_id);
create index signal_positions_by_user on public.signal_positions (user_id);

create function private.link_positions() returns trigger
language plpgsql security definer
set search_path = ''
as $$
begin
  insert into public.signal_positions (signal_id, position_id, user_id)
  select p.signal_id, p.id, p.user_id from new_positions p;
  return null;
end;
$$;

create trigger positions_links after insert on public.positions
  referencing new table as new_positions
  for each statement execute function private.link_positions();

create function private.keep_position() returns trigger
language plpgsql
set search_path = ''
as $$
begin
  if tg_op = 'DELETE' then
    raise exception 'position % is kept for good', old.id using errcode = 'insufficient_privilege';
  end if;
  if (old.id, old.user_id, old.account_id, old.trader_id, old.signal_id, old.symbol, old.side)
    is distinct from (new.id, new.user_id, new.account_id, new.trader_id, new.signal_id, new.symbol, new.side) then
    raise exception 'position % keeps its signal, account, symbol and side', old.id using errcode = 'check_violation';
  end if;
  if old.status = 'closed' and new.status <> 'closed' then
    raise exception 'position % cannot go from closed to %', old.id, new.status using errcode = 'check_violation';
  end if;
  return new;
end;
$$;

create trigger positions_keep before update or delete on public.positions
  for each row execute function private.keep_position();

-- Functions -----------------------------------------------------------------------------------------------

-- The base and the quote currency in ccxt's name of a symbol: BTC/USDT:USDT is BTC and USDT.
create function private.currencies(normalised_symbol text, out base text, out quote text)
language sql immutable strict parallel safe
set search_path = ''
as $$
  select split_part(normalised_symbol, '/', 1), split_part(split_part(normalised_symbol, '/', 2), ':', 1);
$$;

-- Bring orders and positions up to what their executions say.
--
-- While a position is open, what it still holds is valued at what it cost: realized_pnl is then what was won
-- and paid so far. Once it is closed, it is the sum of what really moved, without any quotient in it.
create function private.account_fills(order_ids uuid[], position_ids uuid[], at timestamptz) returns void
language plpgsql
set search_path = ''
as $$
begin
  update public.orders o set
    filled = e.amount, cost = e.cost, average = trim_scale(round(e.cost / e.amount, 12)), fees = e.fees,
    -- An attached order grows with its entry at the venue: a fill may tell us before the order does.
    amount = greatest(o.amount, e.amount),
    venue_order_id = coalesce(o.venue_order_id, e.venue_order_id),
    status = case
      when e.amount >= o.amount then 'filled'
      when o.status = 'rejected' then 'canceled'
      when private.is_final(o.status) then o.status
      else 'partially_filled'
    end::public.order_status,
    confirmed_at = coalesce(o.confirmed_at, at),
    closed_at = case when e.amount >= o.amount or private.is_final(o.status) then coalesce(o.closed_at, at) end,
    status_at = at
  from (
    select x.order_id, sum(x.amount) as amount, sum(x.cost) as cost, coalesce(sum(x.fee_quote), 0) as fees,
      max(x.venue_order_id) as venue_order_id
    from public.trade_executions x where x.order_id = any (order_ids) group by x.order_id
  ) e
  where o.id = e.order_id and (o.filled <> e.amount or o.fees <> e.fees);

  update public.positions p set
    amount = case p.side when 'long' then e.base else -e.base end,
    entry_amount = e.entry_amount, entry_average = trim_scale(round(e.entry_cost / e.entry_amount, 12)),
    exit_amount = e.exit_amount, exit_average = trim_scale(round(e.exit_cost / nullif(e.exit_amount, 0), 12)),
    fees = e.fees,
    realized_pnl = e.quote + case when p.status = 'closed' then 0
      else trim_scale(round(e.entry_cost * e.base / e.entry_amount, 12)) end,
    -- A fill that came after the end cannot open the position again. It is seen: the amounts say it.
    written_off = case when p.status = 'closed' and abs(case p.side when 'long' then e.base else -e.base end - p.written_off) >= p.lot
      then case p.side when 'long' then e.base else -e.base end else p.written_off end,
    entry_slippage = e.entry_slippage, exit_slippage = e.exit_slippage,
    status_at = at
  from (
    select x.position_id, sum(x.base_change) as base, sum(x.quote_change) as quote,
      coalesce(sum(x.fee_quote), 0) as fees,
      coalesce(sum(x.amount) filter (where x.leg = 'entry'), 0) as entry_amount,
      coalesce(sum(x.cost) filter (where x.leg = 'entry'), 0) as entry_cost,
      coalesce(sum(x.amount) filter (where x.leg <> 'entry'), 0) as exit_amount,
      coalesce(sum(x.cost) filter (where x.leg <> 'entry'), 0) as exit_cost,
      coalesce(sum(s.worse) filter (where x.leg = 'entry'), 0) as entry_slippage,
      coalesce(sum(s.worse) filter (where x.leg <> 'entry'), 0) as exit_slippage
    from public.trade_executions x
    join public.orders o on o.id = x.order_id
    cross join lateral (
      select (x.price - coalesce(o.planned_price, o.trigger_price, o.price)) * x.amount
        * case x.side when 'buy' then 1 else -1 end as worse
    ) s
    where x.position_id = any (position_ids) group by x.position_id
  ) e
  where p.id = e.position_id;
end;
$$;

-- Profit recomputed from the executions alone, for whoever doubts the recorded one.
create function public.recomputed_pnl(p public.positions) returns numeric
language plpgsql stable
set search_path = ''
as $$
begin
  return (select coalesce(sum(x.quote_change), 0) from public.trade_executions x where x.position_id = p.id);
end;
$$;

-- Open positions without a confirmed stop loss over their whole amount that are not being flattened either.
-- A stop that the bridge watches counts for as long as the bridge holds the account. Of one user, or of everybody.
create function private.unprotected_positions(of_user uuid default null)
returns table (position_id uuid, signal_id uuid, since timestamptz, reason text)
language sql stable security definer
set search_path = ''
as $$
  select p.id, p.signal_id, coalesce(
      (select max(x.executed_at) from public.trade_executions x where x.position_id = p.id and x.leg = 'entry'),
      p.opened_at),
    case
      when p.amount < 0 then format('%s more were closed than were held', trim_scale(-p.amount))
      when p.exit_reason is not null then format('being closed for %s, but the last exit order was refused', p.exit_reason)
      when stops.cover > 0 then format('the stop loss covers %s of %s', trim_scale(stops.cover), trim_scale(p.amount))
      else 'no confirmed stop loss'
    end
  from public.positions p
  cross join lateral (
    select coalesce(sum(o.amount - o.filled), 0) as cover
    from public.orders o
    where o.signal_id = p.signal_id and o.leg = 'stop_loss' and o.status in ('open', 'partially_filled')
      and (o.managed_by = 'venue' or exists (
        select from public.exchange_accounts a where a.id = p.account_id and a.leased_until > clock_timestamp()))
  ) stops
  where p.status = 'open' and abs(p.amount - p.written_off) >= p.lot and (of_user is null or p.user_id = of_user)
    and (p.amount - stops.cover >= p.lot or p.amount < 0)
    and not (p.exit_reason is not null and not exists (
      select from public.orders o
      where o.signal_id = p.signal_id and o.leg = 'exit'
        -- The venue's own close is canceled when its fill could not be taken.
        and (o.status in ('rejected', 'denied') or (o.by_venue and o.status = 'canceled'))
        and o.attempt = (select max(l.attempt) from public.orders l where l.signal_id = p.signal_id and l.leg = 'exit')));
$$;

create function public.unprotected_positions()
returns table (position_id uuid, signal_id uuid, since timestamptz, reason text)
language sql stable
set search_path = ''
as $$ select * from private.unprotected_positions(); $$;

-- Those of them that nobody is about to protect. A stop leaves when its entry's fill is known, or when the one before it
-- ended, and a bridge gives up and closes the position half a minute after that: until then it is being protected. By
-- the wall's clock, since market time stands still in a replay while a bridge works.
create function private.positions_left_unprotected()
returns table (position_id uuid, signal_id uuid, since timestamptz, reason text)
language sql stable security definer
set search_path = ''
as $$
  select u.* from private.unprotected_positions() u
  join public.positions p on p.id = u.position_id
  where p.amount < 0 or p.exit_reason is not null
    or clock_timestamp() > interval '30 seconds' + greatest(
      (select max(x.created_at) from public.trade_executions x where x.position_id = p.id and x.leg = 'entry'),
      (select max(o.updated_at) from public.orders o
        where o.signal_id = p.signal_id and o.leg = 'stop_loss' and not o.is_live and o.confirmed_at is not null),
      p.created_at);
$$;

-- Policies and grants -------------------------------------------------------------------------------------

alter table public.positions enable row level security;
alter table public.trade_executions enable row level security;
alter table public.signal_positions enable row level security;

create policy "Users read their positions" on public.positions
  for select to authenticated using (user_id = (select auth.uid()));
create policy "Users read their executions" on public.trade_executions
  for select to authenticated using (user_id = (select auth.uid()));
create policy "Users read their signals' positions" on public.signal_positions
  for select to authenticated using (user_id = (select auth.uid()));

-- Select only, for everyone: positions and executions are written by the functions of the bridge.
grant select on public.positions, public.trade_executions, public.signal_positions to authenticated, service_role;
grant execute on function public.recomputed_pnl(public.positions) to authenticated, service_role;
grant execute on function private.unprotected_positions(uuid), public.unprotected_positions()
  to service_role, trading_bridge;
grant execute on function private.positions_left_unprotected() to service_role;
