-- What a venue does by itself: funding, liquidations and other closes of its own, and the orders of others that rest on
-- the same account. Recorded as what they are; nothing of others is ever touched.

-- Tables --------------------------------------------------------------------------------------------------

create table public.account_incomes (
  id uuid primary key,
  user_id uuid not null,
  account_id uuid not null references public.exchange_accounts (id),
  venue_income_id text not null,
  kind text not null,
  symbol text,
  -- The only open position of that symbol then; null when there were several, or none.
  position_id uuid references public.positions (id),
  -- What it did to the balance, in `currency`; what it was worth in quote currency counts as won or lost: a transfer
  -- nothing.
  amount numeric not null,
  currency text not null,
  amount_quote numeric not null,
  occurred_at timestamptz not null,
  created_at timestamptz not null default now(),
  unique (account_id, kind, venue_income_id),
  constraint "an income is funding, insurance, a rebate, a transfer or another"
    check (kind in ('funding', 'insurance', 'rebate', 'transfer', 'other')),
  constraint "an income is finite" check (amount > '-infinity' and amount < 'infinity'
    and amount_quote > '-infinity' and amount_quote < 'infinity')
);
create index account_incomes_by_user on public.account_incomes (user_id, occurred_at desc);
create index account_incomes_by_position on public.account_incomes (position_id);

create trigger account_incomes_append_only before update or delete on public.account_incomes
  for each row execute function private.refuse_to_rewrite();
create trigger account_incomes_no_truncate before truncate on public.account_incomes
  for each statement execute function private.refuse_to_rewrite();

-- Orders at the venue that we did not send: seen, listed, left alone.
create table public.external_orders (
  account_id uuid not null references public.exchange_accounts (id) on delete cascade,
  venue_order_id text not null,
  user_id uuid not null,
  client_order_id text,
  symbol text not null,
  side text,
  amount numeric not null,
  filled numeric not null default 0,
  status text not null,
  first_seen_at timestamptz not null,
  last_seen_at timestamptz not null,
  primary key (account_id, symbol, venue_order_id),
  constraint "an external order buys or sells" check (side in ('buy', 'sell')),
  constraint "an external order is open or over" check (status in ('open', 'filled', 'canceled', 'rejected'))
);
create index external_orders_by_user on public.external_orders (user_id, last_seen_at desc);

-- Functions -----------------------------------------------------------------------------------------------

-- Incomes, each once however often it is told.
create function private.record_incomes(account public.exchange_accounts, incomes jsonb, at timestamptz) returns jsonb
language plpgsql
set search_path = ''
as $$
declare
  refused jsonb;
  results jsonb;
begin
  select coalesce(jsonb_agg(jsonb_build_object('kind', 'income', 'index', i.index - 1, 'code', 'bad_income',
    'message', 'an income needs venue_income_id, kind, amount, currency, amount_quote and occurred_at')
    order by i.index), '[]') into refused
  from jsonb_array_elements(incomes) with ordinality i (item, index)
  where not private.is_income(i.item);

  with recorded as (
    insert into public.account_incomes (id, user_id, account_id, venue_income_id, kind, symbol, position_id, amount,
      currency, amount_quote, occurred_at)
    select private.derived_id('income|' || account.id || '|' || (i.item ->> 'kind') || '|' || (i.item ->> 'venue_income_id')),
      account.user_id, account.id, i.item ->> 'venue_income_id', i.item ->> 'kind', i.item ->> 'symbol',
      (select case when count(*) = 1 then (array_agg(p.id))[1] end from public.positions p
       where p.account_id = account.id and p.normalised_symbol = i.item ->> 'symbol'
         and p.opened_at <= private.moment(i.item ->> 'occurred_at')
         and coalesce(p.closed_at, 'infinity') >= private.moment(i.item ->> 'occurred_at')),
      private.decimal(i.item ->> 'amount'), i.item ->> 'currency',
      case i.item ->> 'kind' when 'transfer' then 0 else private.decimal(i.item ->> 'amount_quote') end,
      private.moment(i.item ->> 'occurred_at')
    from jsonb_array_elements(incomes) with ordinality i (item, index)
    where private.is_income(i.item)
    order by i.index
    on conflict do nothing
    returning amount_quote, position_id
  )
  select jsonb_agg(r.one) into results
  from recorded n
  left join public.positions p on p.id = n.position_id
  cross join lateral (
    select jsonb_build_object('subject_id', account.id, 'subject', 'account', 'user_id', account.user_id,
      'change', n.amount_quote) as one
    union all
    select jsonb_build_object('subject_id', p.trader_id, 'subject', 'trader', 'user_id', account.user_id,
      'change', n.amount_quote) where p.id is not null
  ) r;
  if results is not null then
    perform private.add_results(results, at);
  end if;
  return refused;
end;
$$;

create function private.is_income(item jsonb) returns boolean
language plpgsql stable
set search_path = ''
as $$
begin
  return coalesce(item ->> 'venue_income_id' <> '' and item ->> 'kind' in ('funding', 'insurance', 'rebate', 'transfer', 'other')
    and item ->> 'currency' <> '' and private.decimal(item ->> 'amount') is not null
    and private.decimal(item ->> 'amount_quote') is not null and private.moment(item ->> 'occurred_at') is not null, false);
end;
$$;

create function private.is_close_fill(fill jsonb) returns boolean
language plpgsql stable
set search_path = ''
as $$
begin
  return coalesce(jsonb_typeof(fill) = 'object' and fill ->> 'venue_trade_id' <> '' and private.decimal(fill ->> 'price') > 0
    and private.decimal(fill ->> 'amount') > 0 and private.moment(fill ->> 'executed_at') is not null, false);
end;
$$;

-- What the venue closed with an order of its own, such as a liquidation: an exit that we did not send, with its fill. By
-- the venue's order id it is recorded once, and its profit counts like any other's.
create function private.record_venue_closes(account public.exchange_accounts, closes jsonb, at timestamptz) returns jsonb
language plpgsql
set search_path = ''
as $$
declare
  refused jsonb := '[]'::jsonb;
  one record;
  position public.positions;
  known public.orders;
  next_attempt integer;
  not_taken jsonb;
begin
  for one in
    select c.index - 1 as index, c.item, private.uuid_of(c.item ->> 'position_id') as position_id
    from jsonb_array_elements(closes) with ordinality c (item, index)
    order by c.index
  loop
    select * into position from public.positions p
    where p.id = one.position_id and p.account_id = account.id;
    if not found or coalesce(one.item ->> 'venue_order_id', '') = '' or not private.is_close_fill(one.item -> 'fill')
      or coalesce(one.item ->> 'reason', 'venue_closed') not in ('liquidated', 'venue_closed') then
      refused := refused || private.refusal('venue_close', one.index, 'bad_close',
        'a close needs a position of this account, venue_order_id, a fill with venue_trade_id, price and amount above zero and '
          'executed_at, and liquidated or venue_closed as its reason');
      continue;
    end if;
    select * into known from public.orders o
    where o.signal_id = position.signal_id and o.by_venue and o.venue_order_id = one.item ->> 'venue_order_id';
    if not found then
      select 1 + coalesce(max(o.attempt), 0) into next_attempt from public.orders o
      where o.signal_id = position.signal_id and o.leg = 'exit';
      insert into public.orders (id, user_id, account_id, trader_id, signal_id, client_order_id, venue_order_id, leg, attempt,
        status, symbol, normalised_symbol, side, kind, reduce_only, by_venue, amount, intended_at, confirmed_at, status_at)
      select private.derived_id('order|' || c.id), position.user_id, account.id, position.trader_id, position.signal_id,
        c.id, one.item ->> 'venue_order_id', 'exit', next_attempt, 'open', position.symbol, position.normalised_symbol,
        case position.side when 'long' then 'sell' else 'buy' end, 'market', true, true,
        private.decimal(one.item #>> '{fill,amount}'), at, at, at
      from (select private.client_order_id(position.signal_id, 'exit', next_attempt) as id) c
      returning * into known;
      perform private.append_account_event(account.id, 'venue_closed',
        format('the venue closed %s of %s', one.item #>> '{fill,amount}', position.symbol),
        jsonb_build_object('position_id', position.id, 'venue_order_id', known.venue_order_id,
          'exit_reason', coalesce(one.item ->> 'reason', 'venue_closed')), at, true);
    end if;
    not_taken := private.record_fills(account.id, jsonb_build_array((one.item -> 'fill') || jsonb_build_object(
      'client_order_id', known.client_order_id, 'venue_order_id', known.venue_order_id)), at);
    if not_taken <> '[]' then
      refused := refused || private.refusal('venue_close', one.index, not_taken #>> '{0,code}', not_taken #>> '{0,message}');
    end if;
    -- What is left of a position is left to its protection, unless it was liquidated in part: the rest would follow.
    update public.positions p set exit_reason = coalesce(one.item ->> 'reason', 'venue_closed'), status_at = at
    where p.id = position.id and p.status = 'open'
      and (one.item ->> 'reason' = 'liquidated' or abs(p.amount - p.written_off) < p.lot);
    -- Without its fill the order would be live for ever, and its position look as if it were being closed. A late fill
    -- completes it all the same.
    update public.orders o set status = 'canceled', closed_at = at, status_at = at
    where o.id = known.id and o.is_live and o.filled = 0;
  end loop;
  return refused;
end;
$$;

-- Orders of others, as they are now.
create function private.is_external_order(item jsonb) returns boolean
language plpgsql immutable
set search_path = ''
as $$
begin
  return coalesce(item ->> 'venue_order_id' <> '' and item ->> 'symbol' <> '' and private.decimal(item ->> 'amount') >= 0
    and coalesce(item ->> 'side', 'buy') in ('buy', 'sell')
    and item ->> 'status' in ('open', 'filled', 'canceled', 'rejected'), false);
end;
$$;

create function private.record_external_orders(account public.exchange_accounts, orders jsonb, at timestamptz) returns jsonb
language plpgsql
set search_path = ''
as $$
declare
  fresh integer;
  refused jsonb;
begin
  select coalesce(jsonb_agg(jsonb_build_object('kind', 'external_order', 'index', o.index - 1, 'code', 'bad_external_order',
    'message', 'an external order needs venue_order_id, symbol, amount and status, and buys or sells') order by o.index), '[]')
  into refused
  from jsonb_array_elements(orders) with ordinality o (item, index)
  where not private.is_external_order(o.item);

  with seen as (
    insert into public.external_orders as e (account_id, venue_order_id, user_id, client_order_id, symbol, side, amount, filled,
      status, first_seen_at, last_seen_at)
    select distinct on (o.item ->> 'symbol', o.item ->> 'venue_order_id') account.id, o.item ->> 'venue_order_id',
      account.user_id, left(o.item ->> 'client_order_id', 100), o.item ->> 'symbol', o.item ->> 'side',
      private.decimal(o.item ->> 'amount'), coalesce(private.decimal(o.item ->> 'filled'), 0), o.item ->> 'status', at, at
    from jsonb_array_elements(orders) with ordinality o (item, index)
    where private.is_external_order(o.item)
      -- Nothing that we know as ours.
      and not exists (select from public.orders ours where ours.client_order_id = o.item ->> 'client_order_id')
    order by o.item ->> 'symbol', o.item ->> 'venue_order_id', o.index desc
    on conflict on constraint external_orders_pkey do update set
      filled = excluded.filled, status = excluded.status, last_seen_at = greatest(e.last_seen_at, excluded.last_seen_at)
      where (e.filled, e.status) is distinct from (excluded.filled, excluded.status)
    returning (xmax = 0) as is_new
  )
  select count(*) filter (where s.is_new) into fresh from seen s;
  if fresh > 0 then
    perform private.append_account_event(account.id, 'external_order',
      format('%s orders on this account are not ours: they are left alone', fresh), '{}', at, true);
  end if;
  return refused;
end;
$$;

-- What the bridge has to tell of an account beside its orders: warnings, reductions, what was done without the database.
create function private.record_notices(account public.exchange_accounts, notices jsonb, at timestamptz) returns jsonb
language plpgsql
set search_path = ''
as $$
declare
  refused jsonb := '[]'::jsonb;
  one record;
begin
  for one in select n.index - 1 as index, n.item from jsonb_array_elements(notices) with ordinality n (item, index) order by n.index
  loop
    if coalesce(one.item ->> 'event_type', '') not in ('margin_warning', 'margin_reduction', 'journal_told', 'account_unusable')
      or coalesce(one.item ->> 'why', '') = '' or jsonb_typeof(coalesce(one.item -> 'event_data', '{}')) <> 'object'
      or length(coalesce(one.item ->> 'event_data', '')) > 6000 then
      refused := refused || private.refusal('notice', one.index, 'bad_notice',
        'a notice is a margin_warning, a margin_reduction, journal_told or account_unusable, says why, and its event_data is '
          'an object of at most 6000 letters');
    else
      perform private.append_account_event(account.id, one.item ->> 'event_type', one.item ->> 'why',
        coalesce(one.item -> 'event_data', '{}'), coalesce(private.moment(one.item ->> 'occurred_at'), at));
    end if;
  end loop;
  return refused;
end;
$$;

-- Policies and grants -------------------------------------------------------------------------------------

alter table public.account_incomes enable row level security;
alter table public.external_orders enable row level security;

create policy "Users read their accounts' incomes" on public.account_incomes
  for select to authenticated using (user_id = (select auth.uid()));
create policy "Users read the external orders on their accounts" on public.external_orders
  for select to authenticated using (user_id = (select auth.uid()));

grant select on public.account_incomes, public.external_orders to authenticated, service_role;
