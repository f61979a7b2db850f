-- What the bridge tells the database, in one short transaction for each thing that it learned or wants: fills,
-- outcomes of orders, moved stops, positions to be closed, and intents of orders that it sends after the commit.
-- From that follow the positions, the life of the signals, their trails, and the news for whoever watches.
--
-- Everything can be told twice: a crash between sending and recording ends in telling it again.

-- Types ---------------------------------------------------------------------------------------------------

create type private.told_fill as (
  index bigint,
  o public.orders,
  venue_trade_id text,
  venue_order_id text,
  price numeric,
  amount numeric,
  fee_cost numeric,
  fee_currency text,
  fee_from text,
  fee_quote numeric,
  is_maker boolean,
  executed_at timestamptz
);

create type private.told_outcome as (
  index bigint,
  o public.orders,
  status public.order_status,
  venue_order_id text,
  amount numeric,
  code text,
  message text
);

-- Functions: answers --------------------------------------------------------------------------------------

create function private.order_json(o public.orders) returns jsonb
language plpgsql stable
set search_path = ''
as $$
begin
  return jsonb_build_object(
    'id', o.id, 'client_order_id', o.client_order_id, 'venue_order_id', o.venue_order_id, 'signal_id', o.signal_id,
    'trader_id', o.trader_id, 'leg', o.leg, 'attempt', o.attempt, 'status', o.status, 'symbol', o.symbol,
    'normalised_symbol', o.normalised_symbol, 'side', o.side, 'kind', o.kind, 'managed_by', o.managed_by,
    'reduce_only', o.reduce_only, 'attached', o.attached, 'amount', o.amount::text, 'price', o.price::text,
    'trigger_price', o.trigger_price::text, 'filled', o.filled::text, 'average', o.average::text,
    'fees', o.fees::text, 'code', o.code, 'message', o.message, 'expires_at', o.expires_at,
    'intended_at', o.intended_at, 'sent_at', o.sent_at);
end;
$$;

create function private.position_json(p public.positions) returns jsonb
language plpgsql stable
set search_path = ''
as $$
begin
  return jsonb_build_object(
    'id', p.id, 'signal_id', p.signal_id, 'trader_id', p.trader_id, 'symbol', p.symbol,
    'normalised_symbol', p.normalised_symbol, 'side', p.side, 'status', p.status, 'amount', p.amount::text,
    'lot', p.lot::text, 'entry_average', p.entry_average::text, 'exit_average', p.exit_average::text,
    'stop_loss', p.stop_loss::text, 'take_profit', p.take_profit::text,
    'trailing_percent', p.trailing_percent::text, 'exit_reason', p.exit_reason, 'fees', p.fees::text,
    'realized_pnl', p.realized_pnl::text, 'written_off', p.written_off::text,
    'opened_at', p.opened_at, 'closed_at', p.closed_at);
end;
$$;

-- Orders and positions of these signals, as the bridge keeps them in mind.
create function private.trading_state(account_id uuid, signal_ids uuid[]) returns jsonb
language plpgsql stable
set search_path = ''
as $$
begin
  return jsonb_build_object(
    'orders', coalesce((
      select jsonb_agg(private.order_json(o) order by o.signal_id, o.leg, o.attempt) from public.orders o
      where o.signal_id = any (signal_ids) and o.account_id = trading_state.account_id), '[]'),
    'positions', coalesce((
      select jsonb_agg(private.position_json(p) order by p.signal_id) from public.positions p
      where p.signal_id = any (signal_ids) and p.account_id = trading_state.account_id), '[]'));
end;
$$;

create function private.refusal(kind text, index bigint, code text, message text) returns jsonb
language plpgsql immutable
set search_path = ''
as $$
begin
  return jsonb_build_array(jsonb_build_object('kind', kind, 'index', index, 'code', code, 'message', message));
end;
$$;

-- Signals that were claimed for trading on these accounts, and not traded by whoever claimed them, are free again.
create function private.free_trading_work(accounts uuid[]) returns void
language plpgsql
set search_path = ''
as $$
begin
  update public.signal_queue q set leased_until = null, leased_by = null
  where q.stage = 'trading' and q.leased_by is not null and exists (
    select from public.signals s
    join public.traders t on t.id = s.trader_id
    where s.id = q.signal_id and t.default_exchange_account_id = any (accounts));
end;
$$;

-- Functions: fills ----------------------------------------------------------------------------------------

create function private.parse_fills(account_id uuid, fills jsonb) returns setof private.told_fill
language plpgsql stable
set search_path = ''
as $$
begin
  return query select f.index - 1, o, f.item ->> 'venue_trade_id', f.item ->> 'venue_order_id', n.price, n.amount, n.fee_cost,
    f.item ->> 'fee_currency', n.fee_from,
    case n.fee_from when 'base' then n.fee_cost * n.price when 'quote' then n.fee_cost
      else n.fee_cost * private.decimal(f.item ->> 'fee_rate') end,
    (f.item ->> 'is_maker')::boolean, private.moment(f.item ->> 'executed_at')
  from jsonb_array_elements(fills) with ordinality f (item, index)
  left join public.orders o
    on o.client_order_id = f.item ->> 'client_order_id' and o.account_id = parse_fills.account_id
  cross join lateral private.currencies(coalesce(o.normalised_symbol, '')) c
  cross join lateral (
    select private.decimal(f.item ->> 'price') as price, private.decimal(f.item ->> 'amount') as amount,
      coalesce(private.decimal(f.item ->> 'fee_cost'), 0) as fee_cost,
      case when coalesce(f.item ->> 'fee_currency', c.quote) = c.quote then 'quote'
        when f.item ->> 'fee_currency' = c.base then 'base' else 'other' end as fee_from
  ) n;
end;
$$;

-- Fills, each once however often it is told: the venue's trade id decides. The first fill of an entry makes the
-- position. Answers what was refused.
create function private.record_fills(account_id uuid, fills jsonb, at timestamptz) returns jsonb
language plpgsql
set search_path = ''
as $$
declare
  told private.told_fill[];
  refused jsonb;
  order_ids uuid[];
  position_ids uuid[];
begin
  select array_agg(f order by f.index) into told from private.parse_fills(account_id, fills) f;
  if told is null then
    return '[]'::jsonb;
  end if;
  select coalesce(jsonb_agg(jsonb_build_object('kind', 'fill', 'index', f.index, 'code', why.code, 'message', why.message)
    order by f.index), '[]') into refused
  from unnest(told) f
  cross join lateral (
    select 'unknown_order' as code, 'no order of this account has this client order id' as message
    where (f.o).id is null
    union all
    select 'bad_fill', 'a fill needs venue_trade_id, price, amount above zero, and executed_at'
    where (f.o).id is not null
      and not coalesce(f.venue_trade_id <> '' and f.price > 0 and f.amount > 0 and f.executed_at is not null, false)
    union all
    select 'fee_rate_missing', format('the fee is in %s: tell its rate in quote currency as fee_rate', f.fee_currency)
    where (f.o).id is not null and f.fee_quote is null
  ) why;

  insert into public.positions (id, user_id, account_id, trader_id, signal_id, symbol, normalised_symbol, side, lot,
    stop_loss, initial_stop_loss, take_profit, trailing_percent, opened_at, status_at)
  select distinct on (f.signal_id) private.derived_id('position|' || f.signal_id), f.user_id, f.account_id, f.trader_id,
    f.signal_id, f.symbol, f.normalised_symbol,
    case f.side when 'buy' then 'long' else 'short' end::public.trade_side, f.lot,
    f.stop_loss, f.stop_loss, f.take_profit, f.trailing_percent, f.executed_at, at
  from (select (t.o).*, t.executed_at from unnest(told) t
    where t.price > 0 and t.amount > 0 and t.venue_trade_id <> '' and t.fee_quote is not null) f
  where f.leg = 'entry' and f.executed_at is not null
  order by f.signal_id, f.executed_at
  on conflict (signal_id) do nothing;

  with recorded as (
    insert into public.trade_executions (id, user_id, account_id, order_id, position_id, signal_id, venue_trade_id,
      venue_order_id, symbol, normalised_symbol, leg, side, price, amount, fee_cost, fee_currency, fee_from, fee_quote,
      is_maker, executed_at)
    select private.derived_id('execution|' || (f.o).client_order_id || '|' || f.venue_trade_id), (f.o).user_id,
      (f.o).account_id, (f.o).id, p.id, (f.o).signal_id, f.venue_trade_id, f.venue_order_id, (f.o).symbol,
      (f.o).normalised_symbol, (f.o).leg, (f.o).side, f.price, f.amount, f.fee_cost, f.fee_currency, f.fee_from,
      f.fee_quote, f.is_maker, f.executed_at
    from unnest(told) f
    join public.positions p on p.signal_id = (f.o).signal_id
    where f.price > 0 and f.amount > 0 and f.venue_trade_id <> '' and f.fee_quote is not null
      and f.executed_at is not null
    order by f.index
    on conflict do nothing
    returning order_id, position_id
  )
  select array_agg(distinct r.order_id), array_agg(distinct r.position_id) into order_ids, position_ids
  from recorded r;
  if order_ids is not null then
    perform private.account_fills(order_ids, position_ids, at);
  end if;
  return refused;
end;
$$;

-- Functions: outcomes -------------------------------------------------------------------------------------

-- What an outcome makes of an order. What is over stays over, and no answer takes back what was confirmed.
create function private.status_after(o public.orders, outcome text) returns public.order_status
language plpgsql stable
set search_path = ''
as $$
begin
  if not o.is_live then
    return o.status;
  end if;
  return case outcome
    when 'confirmed' then case when o.filled > 0 then 'partially_filled' else 'open' end
    when 'submitted' then case o.status when 'intended' then 'submitted' else o.status::text end
    when 'unresolved' then case when o.status in ('intended', 'submitted') then 'unresolved' else o.status::text end
    when 'rejected' then case when o.filled > 0 then 'canceled' else 'rejected' end
    when 'denied' then case when o.venue_order_id is null and o.filled = 0 then 'denied' else o.status::text end
    when 'canceled' then 'canceled'
  end::public.order_status;
end;
$$;

-- The last outcome told of each order.
create function private.parse_outcomes(account_id uuid, outcomes jsonb) returns setof private.told_outcome
language plpgsql stable
set search_path = ''
as $$
begin
  return query select distinct on (f.item ->> 'client_order_id') f.index - 1, o, private.status_after(o, f.item ->> 'outcome'),
    f.item ->> 'venue_order_id', private.decimal(f.item ->> 'amount'), f.item ->> 'code', left(f.item ->> 'message', 500)
  from jsonb_array_elements(outcomes) with ordinality f (item, index)
  left join public.orders o
    on o.client_order_id = f.item ->> 'client_order_id' and o.account_id = parse_outcomes.account_id
  order by f.item ->> 'client_order_id', f.index desc;
end;
$$;

create function private.record_outcomes(account_id uuid, outcomes jsonb, at timestamptz) returns jsonb
language plpgsql
set search_path = ''
as $$
declare
  told private.told_outcome[];
  refused jsonb;
begin
  select array_agg(f order by f.index) into told from private.parse_outcomes(account_id, outcomes) f;
  if told is null then
    return '[]'::jsonb;
  end if;
  select coalesce(jsonb_agg(jsonb_build_object('kind', 'outcome', 'index', f.index, 'code', why.code,
    'message', why.message) order by f.index), '[]') into refused
  from unnest(told) f
  cross join lateral (
    select 'unknown_order' as code, 'no order of this account has this client order id' as message
    where (f.o).id is null
    union all
    select 'bad_outcome', 'an outcome is confirmed, submitted, unresolved, rejected, denied or canceled'
    where (f.o).id is not null and f.status is null
    union all
    select 'bad_outcome', 'a confirmed order has a venue_order_id'
    where f.status in ('open', 'partially_filled') and (f.o).managed_by = 'venue'
      and coalesce(f.venue_order_id, (f.o).venue_order_id) is null
  ) why;

  update public.orders o set
    status = case when f.new_amount = o.filled then 'filled' else f.status end,
    amount = f.new_amount,
    venue_order_id = f.new_venue_order_id,
    code = case when f.status in ('open', 'partially_filled', 'submitted') then null else coalesce(f.code, o.code,
      case when f.status = 'rejected' then 'order_rejected' when f.status = 'denied' then 'order_denied' end) end,
    message = case when f.status in ('open', 'partially_filled', 'submitted') then null
      else coalesce(f.message, o.message) end,
    sent_at = case when f.status in ('denied') then o.sent_at else coalesce(o.sent_at, at) end,
    confirmed_at = case when f.status in ('open', 'partially_filled') or f.new_amount = o.filled
      then coalesce(o.confirmed_at, at) else o.confirmed_at end,
    closed_at = case when private.is_final(f.status) or f.new_amount = o.filled then coalesce(o.closed_at, at) end,
    status_at = at
  from (
    select (t.o).id, t.status, t.code, t.message, coalesce((t.o).venue_order_id, t.venue_order_id) as new_venue_order_id,
      -- Only an attached order follows its entry; of all others the amount is what was intended.
      case when (t.o).attached and t.amount > 0 then greatest(t.amount, (t.o).filled) else (t.o).amount end as new_amount
    from unnest(told) t
    where (t.o).id is not null and t.status is not null
      and not (t.status in ('open', 'partially_filled') and (t.o).managed_by = 'venue'
        and coalesce(t.venue_order_id, (t.o).venue_order_id) is null)
  ) f
  where o.id = f.id and o.is_live
    and (o.status, o.amount, o.venue_order_id) is distinct from (f.status, f.new_amount, f.new_venue_order_id);
  return refused;
end;
$$;

-- Functions: decisions about positions ----------------------------------------------------------------------

-- Stops that moved with the price: the position's stop first, the order follows.
create function private.record_stops(account_id uuid, stops jsonb, at timestamptz) returns void
language plpgsql
set search_path = ''
as $$
declare
  events jsonb;
begin
  with moved as (
    update public.positions p set stop_loss = f.stop_loss, status_at = at
    from (
      select private.uuid_of(item ->> 'position_id') as id, private.decimal(item ->> 'stop_loss') as stop_loss,
        before.stop_loss as old_stop
      from jsonb_array_elements(stops) item
      join public.positions before on before.id = private.uuid_of(item ->> 'position_id')
    ) f
    where p.id = f.id and p.account_id = record_stops.account_id and p.status = 'open' and f.stop_loss > 0
      and p.stop_loss <> f.stop_loss
      -- Never away from the price.
      and (f.stop_loss > p.stop_loss) = (p.side = 'long')
    returning p.signal_id, p.id, f.old_stop, f.stop_loss as new_stop
  )
  select jsonb_agg(jsonb_build_object('signal_id', m.signal_id, 'event_type', 'trailing_stop_updated',
    'position_id', m.id, 'event_data', jsonb_build_object(
      'stop_loss_from', trim_scale(m.old_stop)::text, 'stop_loss_to', trim_scale(m.new_stop)::text))
    order by m.signal_id) into events
  from moved m;
  perform private.append_signal_events(events, at);
end;
$$;

-- Positions that are to be flattened, for a reason that the signal will end with; and positions that the venue closed
-- without a trade of ours.
create function private.record_exits(account_id uuid, exits jsonb, write_offs jsonb, at timestamptz) returns void
language plpgsql
set search_path = ''
as $$
declare
  events jsonb;
begin
  with leaving as (
    update public.positions p set exit_reason = f.reason, status_at = at,
      written_off = case when f.write_off then p.amount else p.written_off end
    from (
      select private.uuid_of(item ->> 'position_id') as id, item ->> 'reason' as reason, item ->> 'message' as message,
        false as write_off
      from jsonb_array_elements(exits) item
      union all
      select private.uuid_of(item ->> 'position_id'), coalesce(item ->> 'reason', 'venue_closed'), item ->> 'message', true
      from jsonb_array_elements(write_offs) item
    ) f
    where p.id = f.id and p.account_id = record_exits.account_id and p.status = 'open'
      and (p.exit_reason is null or f.write_off)
    returning p.signal_id, p.id, f.reason, f.message, p.amount
  )
  select jsonb_agg(jsonb_build_object('signal_id', l.signal_id,
    'event_type', case l.reason when 'protection_failed' then 'protection_failed' else 'position_updated' end,
    'position_id', l.id, 'event_data', jsonb_strip_nulls(jsonb_build_object(
      'exit_reason', l.reason, 'message', l.message, 'amount', trim_scale(l.amount)::text)))
    order by l.signal_id) into events
  from leaving l;
  perform private.append_signal_events(events, at);
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

-- Orders that will be sent after this transaction; with a `code`, orders that our own checks denied. All of one signal
-- stand or fall together. An intent that is there already is no second one.
create function private.record_intents(account public.exchange_accounts, intents jsonb, at timestamptz) returns jsonb
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
    select private.uuid_of(f.item ->> 'signal_id') as signal_id, min(f.index) - 1 as index,
      jsonb_agg(f.item order by f.index) as items,
      bool_or(f.item ->> 'leg' = 'entry' and f.item ->> 'code' is null) as enters
    from jsonb_array_elements(intents) with ordinality f (item, index)
    where not exists (
      select from public.orders o
      where o.client_order_id = private.client_order_id(private.uuid_of(f.item ->> 'signal_id'), f.item ->> 'leg',
        (f.item ->> 'attempt')::integer))
    group by 1
    order by 1
  loop
    select * into signal from public.signals s where s.id = one.signal_id and s.user_id = account.user_id;
    if not found then
      refused := refused || private.refusal('intent', one.index, 'unknown_signal',
        format('account %s has no signal %s', account.id, one.signal_id));
      continue;
    end if;
    select * into trader from public.traders t where t.id = signal.trader_id;
    if one.enters then
      select * into why from private.entry_refusal(account, signal, trader);
      if why.code is not null then
        refused := refused || private.refusal('intent', one.index, why.code, why.message);
        continue;
      end if;
    end if;
    insert into public.orders (id, user_id, account_id, trader_id, signal_id, client_order_id, leg, attempt, status,
      symbol, normalised_symbol, side, kind, managed_by, reduce_only, attached, amount, price, trigger_price, lot,
      stop_loss, take_profit, trailing_percent, code, message, expires_at, intended_at, closed_at, status_at)
    select private.derived_id('order|' || i.client_order_id), signal.user_id, account.id, signal.trader_id, signal.id,
      i.client_order_id, (i.item ->> 'leg')::public.order_leg, (i.item ->> 'attempt')::integer,
      case when i.item ->> 'code' is null then 'intended' else 'denied' end::public.order_status,
      signal.symbol, signal.normalised_symbol, i.item ->> 'side', i.item ->> 'kind',
      coalesce(i.item ->> 'managed_by', 'venue'), coalesce((i.item ->> 'reduce_only')::boolean, false),
      coalesce((i.item ->> 'attached')::boolean, false),
      private.decimal(i.item ->> 'amount'), private.decimal(i.item ->> 'price'), private.decimal(i.item ->> 'trigger_price'),
      private.decimal(i.item ->> 'lot'), private.decimal(i.item ->> 'stop_loss'), private.decimal(i.item ->> 'take_profit'),
      private.decimal(i.item ->> 'trailing_percent'), i.item ->> 'code', left(i.item ->> 'message', 500),
      private.moment(i.item ->> 'expires_at'), at, case when i.item ->> 'code' is not null then at end, at
    from (
      select item, private.client_order_id(signal.id, item ->> 'leg', (item ->> 'attempt')::integer) as client_order_id
      from jsonb_array_elements(one.items) item
    ) i;
    -- From here on the order is the claim, the lease of the account its lease: nobody looks for this signal in the
    -- queue before the entry should long be over.
    update public.signal_queue q set leased_until = null, leased_by = null,
      available_at = greatest(at, (select max(private.moment(item ->> 'expires_at')) from jsonb_array_elements(one.items) item))
        + interval '1 day'
    where q.signal_id = signal.id and one.enters;
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
        jsonb_build_object('event_data', jsonb_strip_nulls(jsonb_build_object('message', one.message))));
    else
      refused := refused || private.refusal('denial', one.index, 'not_ready',
        format('signal %s is not ready, or has orders', one.signal_id));
    end if;
  end loop;
  return refused;
end;
$$;

-- Functions: what follows -----------------------------------------------------------------------------------

-- What a closed position ended by: the leg of its last fill, or the reason that it was flattened for.
create function private.exit_outcome(p public.positions) returns text
language plpgsql stable
set search_path = ''
as $$
begin
  return coalesce(
    (
      select case x.leg
        when 'take_profit' then 'take_profit'
        when 'stop_loss' then case when p.stop_loss <> p.initial_stop_loss then 'trailing_stop' else 'stop_loss' end
        else p.exit_reason
      end
      from public.trade_executions x
      where x.position_id = p.id and x.leg <> 'entry' and p.written_off = 0
      order by x.executed_at desc, x.created_at desc, x.leg
      limit 1
    ),
    p.exit_reason, 'venue_closed');
end;
$$;

-- The position is flat and nothing of it rests any more.
create function private.close_position(p public.positions, at timestamptz) returns void
language plpgsql
set search_path = ''
as $$
declare
  closed public.positions;
begin
  update public.positions c set
    status = 'closed', exit_reason = private.exit_outcome(p), realized_pnl = public.recomputed_pnl(p), status_at = at,
    closed_at = coalesce(
      (select max(x.executed_at) from public.trade_executions x where x.position_id = p.id and x.leg <> 'entry'), at)
  where c.id = p.id
  returning * into closed;
  perform private.move_signal(p.signal_id, 'closed', at, closed.exit_reason, jsonb_build_object(
    'position_id', p.id,
    'event_data', jsonb_strip_nulls(jsonb_build_object(
      'exit_price', trim_scale(closed.exit_average)::text, 'amount', trim_scale(closed.exit_amount)::text,
      'realized_pnl', trim_scale(closed.realized_pnl)::text, 'gross_pnl', trim_scale(closed.gross_pnl)::text,
      'fees', trim_scale(closed.fees)::text,
      'pnl_percent', trim_scale(round(100 * closed.realized_pnl / (closed.entry_average * closed.entry_amount), 4))::text,
      'exit_reason', closed.exit_reason, 'dust', nullif(trim_scale(closed.amount), 0)::text,
      'duration_seconds', round(extract(epoch from closed.closed_at - closed.opened_at))))));
end;
$$;

-- Signals whose entry has its first fill are in position from here on.
create function private.enter_positions(signal_ids uuid[], at timestamptz) returns void
language plpgsql
set search_path = ''
as $$
declare
  position public.positions;
begin
  for position in
    select p.* from public.positions p
    join public.signals s on s.id = p.signal_id
    where s.id = any (signal_ids) and s.id between signal_ids[1] and signal_ids[cardinality(signal_ids)]
      and s.status = 'ready'
    order by s.id
  loop
    perform private.move_signal(position.signal_id, 'in_position', at, null, jsonb_build_object(
      'position_id', position.id,
      'event_data', jsonb_strip_nulls(jsonb_build_object(
        'symbol', position.symbol, 'side', position.side, 'amount', trim_scale(position.amount)::text,
        'entry_price', trim_scale(position.entry_average)::text, 'stop_loss', trim_scale(position.stop_loss)::text,
        'take_profit', trim_scale(position.take_profit)::text))));
  end loop;
end;
$$;

-- What a signal's row tells of its orders and its position. Looked at before it is written: an update of the
-- partitioned table costs more than a look at one partition, and most facts change nothing here.
create function private.mark_signals(signal_ids uuid[]) returns void
language plpgsql
set search_path = ''
as $$
declare
  mark record;
begin
  for mark in
    select s.id, o.orders, o.live > 0 as active, coalesce(p.status = 'open', false) as open,
      coalesce(p.realized_pnl, 0) as pnl
    from public.signals s
    cross join lateral (
      select count(*)::integer as orders, count(*) filter (where is_live) as live
      from public.orders where signal_id = s.id
    ) o
    left join public.positions p on p.signal_id = s.id
    where s.id = any (signal_ids) and s.id between signal_ids[1] and signal_ids[cardinality(signal_ids)]
      and (s.has_active_orders, s.has_open_position, s.total_orders_count, s.total_pnl)
        is distinct from (o.live > 0, coalesce(p.status = 'open', false), o.orders, coalesce(p.realized_pnl, 0))
    order by s.id
  loop
    update public.signals s set
      has_active_orders = mark.active, has_open_position = mark.open, total_orders_count = mark.orders,
      total_pnl = mark.pnl, updated_at = now()
    where s.id = mark.id;
  end loop;
end;
$$;

-- Ends the signals that are over: not entered and nothing rests any more, or flat and nothing rests any more.
create function private.settle_signals(signal_ids uuid[], at timestamptz) returns void
language plpgsql
set search_path = ''
as $$
declare
  one record;
  position public.positions;
  entry public.orders;
begin
  -- What would have been placed when an entry fills, and the entry is over without a fill.
  update public.orders o set status = 'canceled', code = 'entry_unfilled', closed_at = at, status_at = at
  where o.signal_id = any (signal_ids) and o.attached and o.status in ('intended', 'submitted', 'unresolved')
    and not exists (
      select from public.orders e
      where e.signal_id = o.signal_id and e.leg = 'entry' and (e.filled > 0 or e.is_live));

  for one in
    select s.id, s.status, (
      select count(*) from public.orders o where o.signal_id = s.id and o.is_live
    ) as live_orders
    from public.signals s
    where s.id = any (signal_ids) and s.id between signal_ids[1] and signal_ids[cardinality(signal_ids)]
      and s.status in ('ready', 'in_position')
    order by s.id
  loop
    select * into position from public.positions p where p.signal_id = one.id;
    select * into entry from public.orders o
    where o.signal_id = one.id and o.leg = 'entry' order by o.attempt desc limit 1;

    if one.status = 'ready' and entry.id is not null and one.live_orders = 0 then
      perform private.move_signal(one.id, 'expired', at,
        case
          when entry.status = 'canceled' then 'entry_unfilled'
          when exists (select from public.outcome_codes c where c.code = entry.code and c.status = 'expired')
            then entry.code
          when entry.status = 'denied' then 'order_denied'
          else 'order_rejected'
        end,
        jsonb_build_object('order_id', entry.id,
          'event_data', jsonb_strip_nulls(jsonb_build_object('message', entry.message))));
    end if;
    if position.status = 'open' and one.live_orders = 0
      and abs(position.amount - position.written_off) < position.lot then
      perform private.close_position(position, at);
    end if;
  end loop;

  perform private.mark_signals(signal_ids);
end;
$$;

-- Functions: the way in -------------------------------------------------------------------------------------

-- The signals that these facts are about, in order of id.
create function private.told_signals(account public.exchange_accounts, facts jsonb) returns uuid[]
language plpgsql stable
set search_path = ''
as $$
begin
  return (select coalesce(array_agg(distinct n.signal_id order by n.signal_id), '{}')
  from (
    select o.signal_id
    from jsonb_array_elements(facts -> 'fills' || (facts -> 'outcomes')) item
    join public.orders o on o.client_order_id = item ->> 'client_order_id' and o.account_id = account.id
    union all
    select p.signal_id
    from jsonb_array_elements(facts -> 'stops' || (facts -> 'exits') || (facts -> 'write_offs')) item
    join public.positions p on p.id = private.uuid_of(item ->> 'position_id') and p.account_id = account.id
    union all
    select private.uuid_of(item ->> 'signal_id') from jsonb_array_elements(facts -> 'intents' || (facts -> 'denials')) item
  ) n
  where n.signal_id is not null);
end;
$$;

-- Record what the bridge learned and intends, all in one. `facts` may hold:
--   fills       [{client_order_id, venue_trade_id, venue_order_id, price, amount, fee_cost, fee_currency, fee_rate?,
--                 is_maker?, executed_at}]
--   outcomes    [{client_order_id, outcome: confirmed|submitted|unresolved|rejected|denied|canceled, venue_order_id?,
--                 amount?, code?, message?}]
--   stops       [{position_id, stop_loss}]
--   exits       [{position_id, reason, message?}]
--   write_offs  [{position_id, reason?, message?}]
--   intents     [{signal_id, leg, attempt, side, kind, amount, price?, trigger_price?, reduce_only?, managed_by?,
--                 attached?, lot, stop_loss, take_profit?, trailing_percent?, expires_at?}], with a `code` and a
--                 `message` for an order that our own checks denied
--   denials     [{signal_id, code, message?}]
-- Answers {orders, positions: those of all signals it was about, refused: [{kind, index, code, message}]}.
create function private.record_trading(account_id uuid, fence bigint, facts jsonb, at timestamptz) returns jsonb
language plpgsql security definer
set search_path = ''
-- For everything that is called from here: by their estimates the plans for given values look better, and are made
-- anew by each call. Making them took a third of the time.
set plan_cache_mode = force_generic_plan
as $$
declare
  account public.exchange_accounts := private.hold_account(account_id, fence);
  every jsonb := jsonb '{"fills": [], "outcomes": [], "stops": [], "exits": [], "write_offs": [], "intents": [],
    "denials": []}';
  wrong text;
  signal_ids uuid[];
  refused jsonb := jsonb '[]';
  state jsonb;
begin
  select key into wrong from jsonb_object_keys(facts) key where not every ? key limit 1;
  if wrong is not null then
    raise exception 'facts hold an unknown key %', wrong using errcode = 'invalid_parameter_value';
  end if;
  every := every || facts;
  perform private.check_batch(list.value, list.key) from jsonb_each(every) list;

  signal_ids := private.told_signals(account, every);
  -- In order of id, and before any order or position: the order of locks that all functions keep.
  perform 1 from public.signals s
  where s.id = any (signal_ids) and s.id between signal_ids[1] and signal_ids[cardinality(signal_ids)]
  order by s.id for no key update;

  if every -> 'fills' <> '[]' then
    refused := refused || private.record_fills(account.id, every -> 'fills', at);
    perform private.enter_positions(signal_ids, at);
  end if;
  if every -> 'outcomes' <> '[]' then
    refused := refused || private.record_outcomes(account.id, every -> 'outcomes', at);
  end if;
  if every -> 'stops' <> '[]' then
    perform private.record_stops(account.id, every -> 'stops', at);
  end if;
  if every -> 'exits' <> '[]' or every -> 'write_offs' <> '[]' then
    perform private.record_exits(account.id, every -> 'exits', every -> 'write_offs', at);
  end if;
  if every -> 'intents' <> '[]' then
    refused := refused || private.record_intents(account, every -> 'intents', at);
  end if;
  if every -> 'denials' <> '[]' then
    refused := refused || private.record_denials(account, every -> 'denials', at);
  end if;
  perform private.settle_signals(signal_ids, at);

  state := private.trading_state(account.id, signal_ids);
  if state -> 'orders' <> '[]' then
    perform private.send_to_watcher(account.user_id, 'trading', 'trading', jsonb_build_object(
      'account_id', account.id, 'at', at, 'count', cardinality(signal_ids),
      'orders', jsonb_path_query_array(state, '$.orders[0 to 49]'),
      'positions', jsonb_path_query_array(state, '$.positions[0 to 49]')));
  end if;
  return state || jsonb_build_object('refused', refused);
end;
$$;

-- Everything of an account that is not over: what a bridge starts from. Orders of a signal come all, also those that
-- are over, if one of them or its position is not.
create function private.list_trading(account_id uuid, fence bigint) returns jsonb
language plpgsql security definer
set search_path = ''
as $$
declare
  account public.exchange_accounts := private.hold_account(account_id, fence);
  signal_ids uuid[];
begin
  select array_agg(distinct n.signal_id) into signal_ids
  from (
    select o.signal_id from public.orders o where o.account_id = account.id and o.is_live
    union all
    select p.signal_id from public.positions p where p.account_id = account.id and p.status = 'open'
  ) n;
  return private.trading_state(account.id, coalesce(signal_ids, '{}')) || jsonb_build_object(
    -- Which of the venue's trades are in the record: the bridge asks for the others.
    'trade_ids', coalesce((
      select jsonb_object_agg(x.client_order_id, x.ids) from (
        select o.client_order_id, jsonb_agg(e.venue_trade_id) as ids
        from public.trade_executions e join public.orders o on o.id = e.order_id
        where e.signal_id = any (signal_ids) group by o.client_order_id) x), '{}'),
    'last_execution_at', (select max(x.executed_at) from public.trade_executions x where x.account_id = account.id));
end;
$$;

create function public.record_trading(account_id uuid, fence bigint, facts jsonb, at timestamptz default now())
returns jsonb
language plpgsql
set search_path = ''
as $$
begin
  return private.record_trading(account_id, fence, facts, at);
end;
$$;

create function public.list_trading(account_id uuid, fence bigint) returns jsonb
language plpgsql
set search_path = ''
as $$
begin
  return private.list_trading(account_id, fence);
end;
$$;

-- Grants --------------------------------------------------------------------------------------------------

grant execute on function
  private.record_trading(uuid, bigint, jsonb, timestamptz), public.record_trading(uuid, bigint, jsonb, timestamptz),
  private.list_trading(uuid, bigint), public.list_trading(uuid, bigint)
  to trading_bridge;
