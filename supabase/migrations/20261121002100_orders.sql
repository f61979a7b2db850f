-- Orders: intended before they are sent, known by an id that derives from the signal, and never given up for
-- lost. Statement triggers keep their trail, in order_events and in the trail of the signal.

-- Types ---------------------------------------------------------------------------------------------------

create type public.order_leg as enum ('entry', 'stop_loss', 'take_profit', 'exit');

create type public.order_status as enum (
  'intended',         -- committed here, perhaps sent
  'submitted',        -- sent along with its entry, the venue places it when that fills
  'open',             -- the venue has it
  'partially_filled', -- the venue has it and filled a part
  'filled', 'canceled', 'rejected',
  'denied',           -- our own checks refused it before it was sent
  'unresolved'        -- sent, and nobody knows yet whether the venue has it
);

-- Functions -----------------------------------------------------------------------------------------------

-- The id under which the venue knows an order: 32 hex digits, which the major venues take. Python computes the
-- same one; tests/vectors/client_order_ids.json holds the two together.
create function private.client_order_id(signal_id uuid, leg text, attempt integer) returns text
language plpgsql immutable strict parallel safe
set search_path = ''
as $$
begin
  return left(encode(sha256(convert_to(signal_id::text || '|' || leg || '|' || attempt, 'UTF8')), 'hex'), 32);
end;
$$;

-- A UUIDv8 out of a name: what derives from a signal has the same id in every replay.
create function private.derived_id(name text) returns uuid
language plpgsql immutable strict parallel safe
set search_path = ''
as $$
begin
  return (select encode(set_byte(set_byte(h.bytes, 6, get_byte(h.bytes, 6) & 15 | 128), 8, get_byte(h.bytes, 8) & 63 | 128),
    'hex')::uuid
  from (select substring(sha256(convert_to(name, 'UTF8')) from 1 for 16) as bytes) h);
end;
$$;

-- Whether an order in this status can fill no more.
create function private.is_final(status public.order_status) returns boolean
language plpgsql immutable strict parallel safe
set search_path = ''
as $$
begin
  return status in ('filled', 'canceled', 'rejected', 'denied');
end;
$$;

-- Tables --------------------------------------------------------------------------------------------------

create table public.orders (
  id uuid primary key,
  user_id uuid not null,
  account_id uuid not null references public.exchange_accounts (id),
  trader_id uuid not null,
  signal_id uuid not null,
  client_order_id text not null unique,
  venue_order_id text,

  leg public.order_leg not null,
  attempt integer not null default 1,
  status public.order_status not null default 'intended',
  -- Whether it may fill yet, as far as anybody knows.
  is_live boolean not null generated always as (status not in ('filled', 'canceled', 'rejected', 'denied')) stored,
  symbol text not null,
  normalised_symbol text not null,
  side text not null,
  kind text not null,
  managed_by text not null default 'venue',
  reduce_only boolean not null default false,
  -- Sent with the entry and placed by the venue when that fills; its amount follows the filled one.
  attached boolean not null default false,
  -- A limit that must never take what is in the book: the venue refuses it then.
  post_only boolean not null default false,
  -- By the venue itself, such as a liquidation: no order that we sent.
  by_venue boolean not null default false,

  amount numeric not null,
  price numeric,
  trigger_price numeric,
  -- What whoever decided counted on: slippage is measured against it.
  planned_price numeric,
  -- Derived from trade_executions, like everything about fills.
  filled numeric not null default 0,
  cost numeric not null default 0,
  average numeric,
  fees numeric not null default 0,

  -- What an entry's position will be protected by: known before the entry is sent.
  lot numeric,
  stop_loss numeric,
  take_profit numeric,
  trailing_percent numeric,
  -- How long the position may last.
  holding_seconds integer,

  code text,
  message text,
  expires_at timestamptz,
  intended_at timestamptz not null,
  sent_at timestamptz,
  confirmed_at timestamptz,
  closed_at timestamptz,
  status_at timestamptz not null,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),

  constraint "a client order id derives from signal, leg and attempt"
    check (client_order_id = private.client_order_id(signal_id,
      case leg when 'entry' then 'entry' when 'stop_loss' then 'stop_loss' when 'take_profit' then 'take_profit'
        else 'exit' end, attempt)),
  constraint "attempts count from 1" check (attempt >= 1),
  constraint "an order buys or sells" check (side in ('buy', 'sell')),
  constraint "an order is market, limit, stop or take_profit"
    check (kind in ('market', 'limit', 'stop', 'take_profit')),
  constraint "an order is managed by the venue or by the bridge" check (managed_by in ('venue', 'bridge')),
  constraint "an amount is above zero and finite" check (amount > 0 and amount < 'infinity'),
  constraint "a limit order has a price, and no other" check ((kind = 'limit') = (price is not null)),
  constraint "a trigger order has a trigger price, and no other"
    check ((kind in ('stop', 'take_profit')) = (trigger_price is not null)),
  constraint "prices are above zero and finite"
    check (price > 0 and price < 'infinity' and trigger_price > 0 and trigger_price < 'infinity'
      and planned_price > 0 and planned_price < 'infinity' and stop_loss > 0 and take_profit > 0 and trailing_percent > 0 and trailing_percent < 100),
  constraint "an entry knows its stop loss and its lot before it is sent, and nothing else does"
    check ((leg = 'entry') = (stop_loss is not null) and (leg = 'entry') = (lot is not null)
      and (leg = 'entry' or num_nulls(take_profit, trailing_percent, expires_at, holding_seconds) = 4)),
  constraint "a position lasts a minute to a year" check (holding_seconds between 60 and 31536000),
  constraint "only a limit can be post-only" check (kind = 'limit' or not post_only),
  constraint "only an exit can be the venue's own" check (leg = 'exit' or not by_venue),
  constraint "only an entry opens" check ((leg = 'entry') <> reduce_only),
  constraint "an entry is not attached" check (leg <> 'entry' or not attached),
  constraint "filled lies between zero and the amount" check (filled between 0 and amount),
  constraint "fills have a cost and an average" check ((filled > 0) = (average is not null) and (filled > 0 or cost = 0)),
  constraint "an order that is filled is filled whole" check ((status = 'filled') = (filled = amount)),
  constraint "an order that is partially filled is filled in part"
    check (status <> 'partially_filled' or filled > 0),
  constraint "what was never in the book has no fills"
    check (status not in ('intended', 'submitted', 'open', 'rejected', 'denied', 'unresolved') or filled = 0),
  constraint "what the venue has, it has under its own id"
    check (status not in ('open', 'partially_filled', 'filled') or managed_by = 'bridge' or venue_order_id is not null),
  constraint "what was denied never reached the venue" check (status <> 'denied' or venue_order_id is null),
  constraint "a refusal has a reason" check (status not in ('rejected', 'denied') or code is not null),
  constraint "an end has its time, and nothing else has"
    check ((status in ('filled', 'canceled', 'rejected', 'denied')) = (closed_at is not null)),
  constraint "what the venue confirmed has the time of it"
    check (status not in ('open', 'partially_filled', 'filled') or confirmed_at is not null)
);
comment on column public.orders.status_at is 'The domain''s time of the last change; created_at and updated_at are the database''s.';

create index orders_by_signal on public.orders (signal_id);
create index orders_by_user on public.orders (user_id, intended_at desc);
create index orders_by_account on public.orders (account_id, intended_at desc);
create index live_orders_by_account on public.orders (account_id) where is_live;
create index live_orders_by_trader on public.orders (trader_id) where is_live;

create trigger orders_touch before update on public.orders
  for each row execute function private.touch();

create table public.order_events (
  order_id uuid not null references public.orders (id),
  number integer not null,
  user_id uuid not null,
  signal_id uuid not null,
  event_type text not null,
  from_status public.order_status,
  to_status public.order_status not null,
  event_data jsonb not null default '{}',
  worker text,
  occurred_at timestamptz not null,
  created_at timestamptz not null default now(),
  tx bigint not null default (pg_current_xact_id()::text::bigint),
  primary key (order_id, number)
);
create index order_events_by_user on public.order_events (user_id, occurred_at desc);

create trigger order_events_append_only before update or delete on public.order_events
  for each row execute function private.refuse_to_rewrite();
create trigger order_events_no_truncate before truncate on public.order_events
  for each statement execute function private.refuse_to_rewrite();

-- The link of the seeds: which orders a signal has, without reading the orders themselves.
create table public.signal_orders (
  signal_id uuid not null,
  order_id uuid not null references public.orders (id),
  user_id uuid not null,
  order_type public.order_leg not null,
  created_at timestamptz not null default now(),
  primary key (signal_id, order_id)
);
create index signal_orders_by_order on public.signal_orders (order_id);
create index signal_orders_by_user on public.signal_orders (user_id);

-- The trail -----------------------------------------------------------------------------------------------

create type private.order_change as (before public.orders, after public.orders);

-- What a statement changed of orders, in both trails. In plpgsql and in few statements: functions in SQL are
-- planned anew by every statement that calls them, which costs more than what they do here.
create function private.follow_orders(changes private.order_change[]) returns void
language plpgsql
set search_path = ''
as $$
declare
  caller text := private.caller_name();
  events jsonb;
  at timestamptz;
begin
  -- All of it about a new order, of a later change only what may have changed.
  with described as (
    select c.before, c.after, case
        when (c.before).id is null then (c.after).status::text
        when (c.before).status <> (c.after).status then (c.after).status::text
        when (c.before).filled <> (c.after).filled then 'partially_filled'
        when (c.before).amount <> (c.after).amount then 'amended'
        when (c.before).trigger_price <> (c.after).trigger_price then 'amended'
      end as event_type,
      jsonb_strip_nulls(jsonb_build_object('leg', (c.after).leg, 'amount', trim_scale((c.after).amount)::text,
          'venue_order_id', (c.after).venue_order_id, 'code', (c.after).code, 'message', (c.after).message)
        || case when (c.before).trigger_price = (c.after).trigger_price then '{}' else jsonb_build_object(
          'trigger_price', trim_scale((c.after).trigger_price)::text) end
        || case when (c.before).id is not null then '{}' else jsonb_build_object(
          'client_order_id', (c.after).client_order_id, 'attempt', (c.after).attempt, 'symbol', (c.after).symbol,
          'side', (c.after).side, 'kind', (c.after).kind, 'price', trim_scale((c.after).price)::text,
          'trigger_price', trim_scale((c.after).trigger_price)::text,
          'planned_price', trim_scale((c.after).planned_price)::text, 'post_only', nullif((c.after).post_only, false),
          'by_venue', nullif((c.after).by_venue, false),
          'managed_by', nullif((c.after).managed_by, 'venue'), 'attached', nullif((c.after).attached, false)) end
        || case when (c.after).filled = 0 then '{}' else jsonb_build_object(
          'filled', trim_scale((c.after).filled)::text, 'average', trim_scale((c.after).average)::text,
          'fees', trim_scale((c.after).fees)::text) end) as event_data
    from unnest(changes) c
  ), recorded as (
    insert into public.order_events
      (order_id, number, user_id, signal_id, event_type, from_status, to_status, event_data, worker, occurred_at)
    select (d.after).id,
      1 + coalesce((select max(e.number) from public.order_events e where e.order_id = (d.after).id), 0),
      (d.after).user_id, (d.after).signal_id, d.event_type, (d.before).status, (d.after).status, d.event_data, caller,
      (d.after).status_at
    from described d
    where d.event_type is not null
  )
  select max((d.after).status_at),
    jsonb_agg(jsonb_build_object('signal_id', (d.after).signal_id, 'event_type', t.event_type, 'order_id', (d.after).id,
      'worker', caller, 'event_data', d.event_data)
      order by (d.after).signal_id, (d.after).leg, (d.after).attempt, t.place)
  into at, events
  from described d
  cross join lateral (
    select (d.before).status is distinct from (d.after).status as moved,
      (d.after).filled > coalesce((d.before).filled, 0) as filled_more
  ) n
  cross join lateral (values
    (1, 'order_created', (d.before).id is null),
    (2, 'stop_loss_triggered',
      (d.after).leg = 'stop_loss' and n.filled_more and coalesce((d.before).filled, 0) = 0),
    (3, 'take_profit_triggered',
      (d.after).leg = 'take_profit' and n.filled_more and coalesce((d.before).filled, 0) = 0),
    (4, 'order_partially_filled', n.filled_more and (d.after).status <> 'filled'),
    (5, 'order_' || (d.after).status,
      n.moved and (d.after).status in ('filled', 'canceled', 'rejected', 'denied', 'unresolved')),
    (6, 'protection_confirmed', (d.after).leg = 'stop_loss' and (d.after).status = 'open'
      and (n.moved or (d.before).amount <> (d.after).amount))
  ) t (place, event_type, applies)
  where t.applies;
  if events is not null then
    perform private.append_signal_events(events, at);
  end if;
end;
$$;

create function private.follow_new_orders() returns trigger
language plpgsql security definer
set search_path = ''
as $$
begin
  insert into public.signal_orders (signal_id, order_id, user_id, order_type)
  select o.signal_id, o.id, o.user_id, o.leg from new_orders o;
  perform private.follow_orders(array_agg(row(null, o)::private.order_change)) from new_orders o;
  return null;
end;
$$;

create function private.follow_changed_orders() returns trigger
language plpgsql security definer
set search_path = ''
as $$
declare
  changes private.order_change[];
begin
  select array_agg(row(o, n)::private.order_change) into changes
  from new_orders n
  join old_orders o on o.id = n.id;
  if changes is not null then
    perform private.follow_orders(changes);
  end if;
  return null;
end;
$$;

create trigger orders_events_of_new after insert on public.orders
  referencing new table as new_orders
  for each statement execute function private.follow_new_orders();
create trigger orders_events_of_changed after update on public.orders
  referencing old table as old_orders new table as new_orders
  for each statement execute function private.follow_changed_orders();

create function private.keep_order() returns trigger
language plpgsql
set search_path = ''
as $$
begin
  if tg_op = 'DELETE' then
    raise exception 'order % is kept for good', old.id using errcode = 'insufficient_privilege';
  end if;
  if (old.id, old.user_id, old.account_id, old.trader_id, old.signal_id, old.client_order_id, old.leg, old.attempt,
      old.symbol, old.side, old.kind, old.intended_at)
    is distinct from (new.id, new.user_id, new.account_id, new.trader_id, new.signal_id, new.client_order_id, new.leg,
      new.attempt, new.symbol, new.side, new.kind, new.intended_at) then
    raise exception 'order % keeps what it was intended to be', old.id using errcode = 'check_violation';
  end if;
  if private.is_final(old.status) and new.status <> old.status
    -- A fill that is heard of late completes a cancelled order.
    and not (old.status = 'canceled' and new.status = 'filled') then
    raise exception 'order % cannot go from % to %', old.id, old.status, new.status using errcode = 'check_violation';
  end if;
  return new;
end;
$$;

create trigger orders_keep before update or delete on public.orders
  for each row execute function private.keep_order();

-- Policies and grants -------------------------------------------------------------------------------------

alter table public.orders enable row level security;
alter table public.order_events enable row level security;
alter table public.signal_orders enable row level security;

create policy "Users read their orders" on public.orders
  for select to authenticated using (user_id = (select auth.uid()));
create policy "Users read their orders' events" on public.order_events
  for select to authenticated using (user_id = (select auth.uid()));
create policy "Users read their signals' orders" on public.signal_orders
  for select to authenticated using (user_id = (select auth.uid()));

-- Select only, for everyone: orders are changed by the functions of the bridge.
grant select on public.orders, public.order_events, public.signal_orders to authenticated, service_role;
