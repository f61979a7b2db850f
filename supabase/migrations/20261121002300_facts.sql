-- What the bridge learned: fills, outcomes of orders, stops that moved, positions that have to be closed. Each is told
-- as often as the bridge likes and counts once: a crash between sending and recording ends in telling it again.

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
  fee_open text,
  is_maker boolean,
  executed_at timestamptz
);

create type private.told_outcome as (
  index bigint,
  o public.orders,
  status public.order_status,
  venue_order_id text,
  amount numeric,
  trigger_price numeric,
  code text,
  message text
);

-- Functions: fills ----------------------------------------------------------------------------------------

create function private.parse_fills(account_id uuid, fills jsonb) returns setof private.told_fill
language plpgsql stable
set search_path = ''
as $$
begin
  return query select f.index - 1, o, f.item ->> 'venue_trade_id', f.item ->> 'venue_order_id', n.price, n.amount, n.fee_cost,
    f.item ->> 'fee_currency', n.fee_from, q.fee_quote,
    case when q.fee_quote is null
      then left(coalesce(f.item ->> 'fee_open', format('no price of %s was told', f.item ->> 'fee_currency')), 300) end,
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
  ) n
  cross join lateral (
    select case when n.fee_cost = 0 then 0 else case n.fee_from when 'base' then n.fee_cost * n.price
      when 'quote' then n.fee_cost else n.fee_cost * private.decimal(f.item ->> 'fee_rate') end end as fee_quote
  ) q;
end;
$$;

-- Fills, each once however often it is told: the venue's trade id decides. The first fill of an entry makes the
-- position. A fee whose worth was not known stays open until the fill is told again with it. Answers what was refused.
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
  ) why;

  insert into public.positions (id, user_id, account_id, trader_id, signal_id, symbol, normalised_symbol, side, lot,
    stop_loss, initial_stop_loss, take_profit, trailing_percent, closes_at, opened_at, status_at)
  select distinct on (f.signal_id) private.derived_id('position|' || f.signal_id), f.user_id, f.account_id, f.trader_id,
    f.signal_id, f.symbol, f.normalised_symbol,
    case f.side when 'buy' then 'long' else 'short' end::public.trade_side, f.lot,
    f.stop_loss, f.stop_loss, f.take_profit, f.trailing_percent,
    f.executed_at + make_interval(secs => f.holding_seconds), f.executed_at, at
  from (select (t.o).*, t.executed_at from unnest(told) t
    where t.price > 0 and t.amount > 0 and t.venue_trade_id <> '') f
  where f.leg = 'entry' and f.executed_at is not null
  order by f.signal_id, f.executed_at
  on conflict (signal_id) do nothing;

  with recorded as (
    insert into public.trade_executions (id, user_id, account_id, order_id, position_id, signal_id, venue_trade_id,
      venue_order_id, symbol, normalised_symbol, leg, side, price, amount, fee_cost, fee_currency, fee_from, fee_quote,
      fee_open, is_maker, executed_at)
    select private.derived_id('execution|' || (f.o).client_order_id || '|' || f.venue_trade_id), (f.o).user_id,
      (f.o).account_id, (f.o).id, p.id, (f.o).signal_id, f.venue_trade_id, f.venue_order_id, (f.o).symbol,
      (f.o).normalised_symbol, (f.o).leg, (f.o).side, f.price, f.amount, f.fee_cost, f.fee_currency, f.fee_from,
      f.fee_quote, f.fee_open, f.is_maker, f.executed_at
    from unnest(told) f
    join public.positions p on p.signal_id = (f.o).signal_id
    where f.price > 0 and f.amount > 0 and f.venue_trade_id <> ''
      and f.executed_at is not null
    order by f.index
    on conflict do nothing
    returning order_id, position_id
  ), learned as (
    update public.trade_executions x set fee_quote = f.fee_quote, fee_open = null
    from unnest(told) f
    where x.order_id = (f.o).id and x.venue_trade_id = f.venue_trade_id and x.fee_quote is null and f.fee_quote is not null
    returning x.order_id, x.position_id
  )
  select array_agg(distinct r.order_id), array_agg(distinct r.position_id) into order_ids, position_ids
  from (select * from recorded union all select * from learned) r;
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
    f.item ->> 'venue_order_id', private.decimal(f.item ->> 'amount'),
    private.decimal(f.item ->> 'trigger_price'), f.item ->> 'code', left(f.item ->> 'message', 500)
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
    trigger_price = f.new_trigger_price,
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
      case when (t.o).attached and t.amount > 0 then greatest(t.amount, (t.o).filled) else (t.o).amount end as new_amount,
      -- A stop that was moved in its place.
      case when (t.o).trigger_price is not null and t.trigger_price > 0 then t.trigger_price
        else (t.o).trigger_price end as new_trigger_price
    from unnest(told) t
    where (t.o).id is not null and t.status is not null
      and not (t.status in ('open', 'partially_filled') and (t.o).managed_by = 'venue'
        and coalesce(t.venue_order_id, (t.o).venue_order_id) is null)
  ) f
  where o.id = f.id and o.is_live
    and (o.status, o.amount, o.trigger_price, o.venue_order_id)
      is distinct from (f.status, f.new_amount, f.new_trigger_price, f.new_venue_order_id);
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
    update public.positions p set status_at = at,
      exit_reason = case when f.write_off or (f.lot is not null and p.exit_amount = 0) then f.reason else coalesce(p.exit_reason, f.reason) end,
      -- What is under the lot is dust: the bridge says that no order can take out less than this.
      lot = greatest(p.lot, case when f.lot < 'infinity' then f.lot end),
      written_off = case when f.write_off then p.amount else p.written_off end
    from (
      select private.uuid_of(item ->> 'position_id') as id, item ->> 'reason' as reason, item ->> 'message' as message,
        private.decimal(item ->> 'lot') as lot, false as write_off
      from jsonb_array_elements(exits) item
      union all
      select private.uuid_of(item ->> 'position_id'), coalesce(item ->> 'reason', 'venue_closed'), item ->> 'message', null, true
      from jsonb_array_elements(write_offs) item
    ) f
    where p.id = f.id and p.account_id = record_exits.account_id and p.status = 'open'
      and (p.exit_reason is null or f.write_off or f.lot > p.lot)
    returning p.signal_id, p.id, f.reason, f.message, p.amount
  )
  select jsonb_agg(jsonb_build_object('signal_id', l.signal_id,
    'event_type', case l.reason when 'protection_failed' then 'protection_failed' else 'position_updated' end,
    'position_id', l.id, 'event_data', jsonb_strip_nulls(jsonb_build_object(
      'exit_reason', l.reason, 'message', left(l.message, 2000), 'amount', trim_scale(l.amount)::text)))
    order by l.signal_id) into events
  from leaving l;
  perform private.append_signal_events(events, at);
end;
$$;
