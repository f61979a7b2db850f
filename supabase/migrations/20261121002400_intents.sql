-- What the bridge wants: orders that it sends after the commit, and ready signals that it will not trade. What must
-- hold for every bridge is checked here: whose account it is, how many positions a trader may have, and the limits of both.

create function private.refusal(kind text, index bigint, code text, message text) returns jsonb
language plpgsql immutable
set search_path = ''
as $$
begin
  return jsonb_build_array(jsonb_build_object('kind', kind, 'index', index, 'code', code, 'message', message));
end;
$$;

-- Functions: intents --------------------------------------------------------------------------------------

-- Why no entry may be intended for this signal now, as a code and a sentence; nulls when it may.
create function private.entry_refusal(account public.exchange_accounts, signal public.signals, trader public.traders,
  out code text, out message text)
language plpgsql stable
set search_path = ''
as $$
declare
  held integer;
begin
  if signal.status <> 'ready' then
    code := 'not_ready';
    message := format('signal %s is %s, an entry is for a ready one', signal.id, signal.status);
  elsif trader.default_exchange_account_id is distinct from account.id then
    code := 'not_this_account';
    message := format('trader %s does not trade on account %s', trader.id, account.id);
  elsif account.status <> 'active' or account.permissions <> 'trade' then
    code := 'account_inactive';
    message := format('account %s is %s and may %s', account.id, account.status, account.permissions);
  elsif trader.status <> 'active' then
    code := 'trader_paused';
    message := format('trader %s is %s', trader.id, trader.status);
  elsif exists (
    select from public.orders o where o.account_id = account.id and o.is_live and o.status = 'unresolved'
  ) then
    code := 'account_unresolved';
    message := format('nobody knows yet what became of an order of account %s', account.id);
  else
    select count(*) into held from (
      select p.signal_id from public.positions p where p.trader_id = trader.id and p.status = 'open'
      union
      select o.signal_id from public.orders o
      where o.trader_id = trader.id and o.leg = 'entry' and o.is_live
    ) busy;
    if held >= trader.max_concurrent_positions then
      code := 'position_limit';
      message := format('trader %s has %s of %s positions', trader.id, held, trader.max_concurrent_positions);
    end if;
  end if;
end;
$$;

create type private.told_intent as (
  index bigint,
  signal_id uuid,
  client_order_id text,
  leg text,
  attempt integer,
  amount numeric,
  price numeric,
  trigger_price numeric,
  planned_price numeric,
  lot numeric,
  stop_loss numeric,
  take_profit numeric,
  trailing_percent numeric,
  expires_at timestamptz,
  code text,
  item jsonb
);

-- The intents that are not there already: an intent that is told again is no second one.
create function private.parse_intents(intents jsonb) returns setof private.told_intent
language plpgsql stable
set search_path = ''
as $$
begin
  return query select f.index - 1, f.signal_id, f.client_order_id, f.item ->> 'leg', (f.item ->> 'attempt')::integer,
    private.decimal(f.item ->> 'amount'), private.decimal(f.item ->> 'price'), private.decimal(f.item ->> 'trigger_price'),
    private.decimal(f.item ->> 'planned_price'), private.decimal(f.item ->> 'lot'), private.decimal(f.item ->> 'stop_loss'),
    private.decimal(f.item ->> 'take_profit'), private.decimal(f.item ->> 'trailing_percent'),
    private.moment(f.item ->> 'expires_at'), f.item ->> 'code', f.item
  from (
    select i.index, i.item, n.signal_id, private.client_order_id(n.signal_id, i.item ->> 'leg', (i.item ->> 'attempt')::integer)
      as client_order_id
    from jsonb_array_elements(intents) with ordinality i (item, index)
    cross join lateral (select private.uuid_of(i.item ->> 'signal_id') as signal_id offset 0) n
    offset 0
  ) f
  -- A question an intent: joined, the plan would read all orders for a batch that it takes for large.
  where (select o.id from public.orders o where o.client_order_id = f.client_order_id) is null;
end;
$$;

-- Orders that will be sent after this transaction; with a `code`, orders that our own checks denied. All of one signal
-- stand or fall together. `signals` are the signals of these intents as they are now, and locked.
create function private.record_intents(account public.exchange_accounts, signals public.signals[], intents jsonb,
  at timestamptz) returns jsonb
language plpgsql
set search_path = ''
as $$
declare
  refused jsonb := '[]'::jsonb;
  one record;
  signal public.signals;
  trader public.traders;
  why record;
begin
  for one in
    select i.signal_id, min(i.index) as index, array_agg(i order by i.index) as items, max(i.expires_at) as expires_at,
      bool_or(i.leg = 'entry' and i.code is null) as enters,
      sum(i.amount * coalesce(i.planned_price, i.price, i.trigger_price, i.stop_loss))
        filter (where i.leg = 'entry' and i.code is null) as notional
    from private.parse_intents(intents) i
    group by 1
    order by 1
  loop
    select s.* into signal from unnest(signals) s where s.id = one.signal_id and s.user_id = account.user_id;
    if not found then
      refused := refused || private.refusal('intent', one.index, 'unknown_signal',
        format('account %s has no signal %s', account.id, one.signal_id));
      continue;
    end if;
    if one.enters then
      -- Shared, so that the trader stays on this account until what it enters counts there.
      select * into trader from public.traders t where t.id = signal.trader_id for share;
      select * into why from private.entry_refusal(account, signal, trader);
      if why.code is null then
        select * into why from private.risk_refusal(account, trader, signal.normalised_symbol, one.notional, at);
      end if;
      if why.code is not null then
        refused := refused || private.refusal('intent', one.index, why.code, why.message);
        continue;
      end if;
    end if;
    insert into public.orders (id, user_id, account_id, trader_id, signal_id, client_order_id, leg, attempt, status,
      symbol, normalised_symbol, side, kind, managed_by, reduce_only, attached, post_only, amount, price, trigger_price,
      planned_price, lot, stop_loss, take_profit, trailing_percent, holding_seconds, code, message, expires_at, intended_at, closed_at, status_at)
    select private.derived_id('order|' || i.client_order_id), signal.user_id, account.id, signal.trader_id, signal.id,
      i.client_order_id, i.leg::public.order_leg, i.attempt,
      case when i.code is null then 'intended' else 'denied' end::public.order_status,
      signal.symbol, signal.normalised_symbol, i.item ->> 'side', i.item ->> 'kind',
      coalesce(i.item ->> 'managed_by', 'venue'), coalesce((i.item ->> 'reduce_only')::boolean, false),
      coalesce((i.item ->> 'attached')::boolean, false), coalesce((i.item ->> 'post_only')::boolean, false),
      i.amount, i.price, i.trigger_price, i.planned_price, i.lot, i.stop_loss, i.take_profit, i.trailing_percent,
      (i.item ->> 'holding_seconds')::integer, i.code, left(i.item ->> 'message', 500), i.expires_at, at,
      case when i.code is not null then at end, at
    from unnest(one.items) i;
    -- From here on the order is the claim, the lease of the account its lease: nobody looks for this signal in the
    -- queue before the entry should long be over.
    if one.enters then
      update public.signal_queue q set leased_until = null, leased_by = null,
        available_at = greatest(at, one.expires_at) + interval '1 day'
      where q.signal_id = signal.id;
    end if;
  end loop;
  return refused;
end;
$$;

-- Ready signals that will not be traded, for a reason that no order stands for.
create function private.record_denials(account public.exchange_accounts, denials jsonb, at timestamptz) returns jsonb
language plpgsql
set search_path = ''
as $$
declare
  refused jsonb := '[]'::jsonb;
  one record;
begin
  for one in
    select f.index - 1 as index, private.uuid_of(f.item ->> 'signal_id') as signal_id, f.item ->> 'code' as code,
      f.item ->> 'message' as message
    from jsonb_array_elements(denials) with ordinality f (item, index)
    order by 2
  loop
    if not exists (select from public.outcome_codes c where c.code = one.code and c.status = 'expired') then
      refused := refused || private.refusal('denial', one.index, 'bad_outcome',
        format('%s is no reason to expire', coalesce(one.code, '(none)')));
    elsif exists (
      select from public.signals s where s.id = one.signal_id and s.user_id = account.user_id and s.status = 'ready'
        and not exists (select from public.orders o where o.signal_id = s.id and o.is_live)
    ) then
      perform private.move_signal(one.signal_id, 'expired', at, one.code,
        jsonb_build_object('event_data', jsonb_strip_nulls(jsonb_build_object('message', left(one.message, 2000)))));
    else
      refused := refused || private.refusal('denial', one.index, 'not_ready',
        format('signal %s is not ready, or has orders', one.signal_id));
    end if;
  end loop;
  return refused;
end;
$$;
