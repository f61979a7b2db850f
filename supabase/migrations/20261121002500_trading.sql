-- The bridge's way in: one short transaction for everything that it learned and wants at a moment. From that follow
-- the positions, the life of the signals, their trails, and the news for whoever watches.

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
    'reduce_only', o.reduce_only, 'attached', o.attached, 'by_venue', o.by_venue, 'amount', o.amount::text, 'price', o.price::text,
    'trigger_price', o.trigger_price::text, 'planned_price', o.planned_price::text, 'post_only', o.post_only, 'filled', o.filled::text, 'average', o.average::text,
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
    'entry_slippage', p.entry_slippage::text, 'exit_slippage', p.exit_slippage::text, 'close_state', p.close_state,
    'closes_at', p.closes_at, 'opened_at', p.opened_at, 'closed_at', p.closed_at);
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
    p.exit_reason, case when p.written_off = 0 then 'dust' else 'venue_closed' end);
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
      'close_state', nullif(closed.close_state, 'flat'),
      'entry_slippage', trim_scale(closed.entry_slippage)::text, 'exit_slippage', trim_scale(closed.exit_slippage)::text,
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
    join unnest(private.signals_of(signal_ids)) s on s.id = p.signal_id
    where s.status = 'ready'
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

create function private.mark_signal(signal_id uuid, active boolean, open boolean, orders integer, pnl numeric)
returns void
language plpgsql
set search_path = ''
-- As in signals_of: an update opens all days that its plan knows, which is most of what it would take.
set plan_cache_mode = force_custom_plan
set constraint_exclusion = off
as $$
begin
  update public.signals s set
    has_active_orders = active, has_open_position = open, total_orders_count = orders, total_pnl = pnl,
    updated_at = now()
  where s.id = mark_signal.signal_id;
end;
$$;

-- What a signal's row tells of its orders and its position. Looked at before it is written: an update of the
-- partitioned table costs more than a look, and most facts change nothing here.
create function private.mark_signals(signals public.signals[]) returns void
language plpgsql
set search_path = ''
as $$
declare
  mark record;
begin
  for mark in
    select s.id, o.orders, o.live > 0 as active, coalesce(p.status = 'open', false) as open,
      coalesce(p.realized_pnl, 0) as pnl
    from unnest(signals) s
    cross join lateral (
      select count(*)::integer as orders, count(*) filter (where is_live) as live
      from public.orders where signal_id = s.id
    ) o
    left join public.positions p on p.signal_id = s.id
    where (s.has_active_orders, s.has_open_position, s.total_orders_count, s.total_pnl)
        is distinct from (o.live > 0, coalesce(p.status = 'open', false), o.orders, coalesce(p.realized_pnl, 0))
    order by s.id
  loop
    perform private.mark_signal(mark.id, mark.active, mark.open, mark.orders, mark.pnl);
  end loop;
end;
$$;

-- Ends the signals that are over: not entered and nothing rests any more, or flat and nothing rests any more. The rows
-- are as they are now, and locked.
create function private.settle_signals(signals public.signals[], at timestamptz) returns void
language plpgsql
set search_path = ''
as $$
declare
  signal_ids uuid[] := array(select s.id from unnest(signals) s);
  one record;
  position public.positions;
  entry public.orders;
begin
  -- What would have been placed when an entry fills, and the entry is over without a fill. Looked for before it is
  -- written: an update of nothing costs more than a look.
  if exists (
    select from public.orders o
    where o.signal_id = any (signal_ids) and o.attached and o.status in ('intended', 'submitted', 'unresolved')
      and not exists (
        select from public.orders e
        where e.signal_id = o.signal_id and e.leg = 'entry' and (e.filled > 0 or e.is_live))
  ) then
    update public.orders o set status = 'canceled', code = 'entry_unfilled', closed_at = at, status_at = at
    where o.signal_id = any (signal_ids) and o.attached and o.status in ('intended', 'submitted', 'unresolved')
      and not exists (
        select from public.orders e
        where e.signal_id = o.signal_id and e.leg = 'entry' and (e.filled > 0 or e.is_live));
  end if;

  for one in
    select s.id, s.status from unnest(signals) s
    where s.status in ('ready', 'in_position')
      and not exists (select from public.orders o where o.signal_id = s.id and o.is_live)
    order by s.id
  loop
    select * into position from public.positions p where p.signal_id = one.id;
    select * into entry from public.orders o
    where o.signal_id = one.id and o.leg = 'entry' order by o.attempt desc limit 1;

    if one.status = 'ready' and entry.id is not null then
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
    if position.status = 'open' and abs(position.amount - position.written_off) < position.lot then
      perform private.close_position(position, at);
    end if;
  end loop;

  perform private.mark_signals(signals);
end;
$$;

-- Functions: the way in -------------------------------------------------------------------------------------

-- The signals that these facts are about, in order of id.
create function private.told_signals(account public.exchange_accounts, facts jsonb) returns uuid[]
language plpgsql stable
set search_path = ''
as $$
declare
  ids uuid[] := array(
    select private.uuid_of(item ->> 'signal_id') from jsonb_array_elements(facts -> 'intents' || (facts -> 'denials')) item);
  of_orders jsonb := facts -> 'fills' || (facts -> 'outcomes');
  of_positions jsonb := facts -> 'stops' || (facts -> 'exits') || (facts -> 'write_offs') || (facts -> 'venue_closes');
begin
  if of_orders <> '[]' then
    ids := ids || array(
      select o.signal_id from jsonb_array_elements(of_orders) item
      join public.orders o on o.client_order_id = item ->> 'client_order_id' and o.account_id = account.id);
  end if;
  if of_positions <> '[]' then
    ids := ids || array(
      select p.signal_id from jsonb_array_elements(of_positions) item
      join public.positions p on p.id = private.uuid_of(item ->> 'position_id') and p.account_id = account.id);
  end if;
  return array(select distinct id from unnest(ids) id where id is not null order by id);
end;
$$;

-- When facts were learned: at the time that the bridge says, yet not before what they tell of happened, nor before what
-- is recorded of the same signals. A replay that starts again counts its time from its first candle, and a machine's
-- clock may be set back; a trail runs forwards all the same. What lies in the future, by the clock of the database,
-- lifts nothing: one wrong time of a venue would be the time of all that follows.
create function private.learned_at(at timestamptz, facts jsonb, signal_ids uuid[]) returns timestamptz
language plpgsql stable
set search_path = ''
as $$
begin
  return greatest(at, (
    select max(known.at) from (
      select private.moment(item ->> 'executed_at') as at from jsonb_array_elements(facts -> 'fills') item
      union all
      select private.moment(item -> 'fill' ->> 'executed_at') from jsonb_array_elements(facts -> 'venue_closes') item
      union all
      select o.status_at from public.orders o where o.signal_id = any (signal_ids)
      union all
      select p.status_at from public.positions p where p.signal_id = any (signal_ids)
    ) known where known.at <= now()));
end;
$$;

-- Record what the bridge learned and intends, all in one. `facts` may hold:
--   fills       [{client_order_id, venue_trade_id, venue_order_id, price, amount, fee_cost, fee_currency, fee_rate?,
--                 fee_open?, is_maker?, executed_at}]; `fee_rate` of a third currency, or why there is none
--   outcomes    [{client_order_id, outcome: confirmed|submitted|unresolved|rejected|denied|canceled, venue_order_id?,
--                 amount?, trigger_price?, code?, message?}]
--   stops       [{position_id, stop_loss}]
--   exits       [{position_id, reason, message?, lot?}]; with a `lot` what is under it is dust
--   write_offs  [{position_id, reason?, message?}]
--   intents     [{signal_id, leg, attempt, side, kind, amount, price?, trigger_price?, planned_price?, reduce_only?,
--                 managed_by?, attached?, post_only?, lot, stop_loss, take_profit?, trailing_percent?,
--                 holding_seconds?, expires_at?}], with a `code` and a `message` for an order that our own checks denied
--   denials     [{signal_id, code, message?}]
--   venue_closes     [{position_id, venue_order_id, reason: liquidated|venue_closed, fill: as in fills}]
--   incomes          [{venue_income_id, kind: funding|insurance|rebate|transfer|other, symbol?, amount, currency, amount_quote,
--                      occurred_at}]
--   external_orders  [{venue_order_id, client_order_id?, symbol, side?, amount, filled?, status}]
--   notices          [{event_type: margin_warning|margin_reduction|journal_told|account_unusable, why, event_data?, occurred_at?}]
--   marks            [{symbol, price, side?, liquidation_price?}], the last prices of what is held
-- Answers {orders, positions: those of all signals it was about, refused: [{kind, index, code, message}], terms: the
-- state and the limits of the account and its traders when there were intents, else its state}.
create function private.record_trading(account_id uuid, fence bigint, facts jsonb, at timestamptz) returns jsonb
language plpgsql security definer
set search_path = ''
-- For everything that is called from here: by their estimates the plans for given values look better, and are made
-- anew by each call. Making them took a third of the time.
set plan_cache_mode = force_generic_plan
-- Plans are made once a connection, often when there was little in the tables yet: all that is asked for here is found
-- by an index, and shall be when there is much.
set enable_seqscan = off
set jit = off
as $$
declare
  account public.exchange_accounts := private.hold_account(account_id, fence);
  every jsonb := jsonb '{"fills": [], "outcomes": [], "stops": [], "exits": [], "write_offs": [], "intents": [],
    "denials": [], "venue_closes": [], "incomes": [], "external_orders": [], "notices": [], "marks": []}';
  wrong text;
  signal_ids uuid[];
  signals public.signals[];
  refused jsonb := jsonb '[]';
  state jsonb;
begin
  perform private.check_clock(at);
  if jsonb_typeof(facts) is distinct from 'object' then
    raise exception 'facts are one object of lists' using errcode = 'invalid_parameter_value';
  end if;
  select key into wrong from jsonb_object_keys(facts) key where not every ? key limit 1;
  if wrong is not null then
    raise exception 'facts hold an unknown key %', wrong using errcode = 'invalid_parameter_value';
  end if;
  perform private.check_batch(list.value, list.key) from jsonb_each(facts) list;
  every := every || facts;

  signal_ids := private.told_signals(account, every);
  -- In order of id, and before any order or position: the order of locks that all functions keep.
  signals := private.lock_signals(signal_ids);
  at := private.learned_at(at, every, signal_ids);

  if every -> 'venue_closes' <> '[]' then
    refused := refused || private.record_venue_closes(account, every -> 'venue_closes', at);
  end if;
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
  if every -> 'incomes' <> '[]' then
    refused := refused || private.record_incomes(account, every -> 'incomes', at);
  end if;
  if every -> 'external_orders' <> '[]' then
    refused := refused || private.record_external_orders(account, every -> 'external_orders', at);
  end if;
  if every -> 'notices' <> '[]' then
    refused := refused || private.record_notices(account, every -> 'notices', at);
  end if;
  if every -> 'marks' <> '[]' then
    refused := refused || private.record_marks(account.id, every -> 'marks');
  end if;
  if every -> 'intents' <> '[]' then
    -- What was lost by now may have halted the account that they are for.
    perform private.enforce_limits(account.id, at);
    select * into account from public.exchange_accounts a where a.id = account.id;
    if every -> 'fills' <> '[]' or every -> 'venue_closes' <> '[]' then
      signals := private.signals_of(signal_ids);
    end if;
    refused := refused || private.record_intents(account, signals, every -> 'intents', at);
  end if;
  if every -> 'denials' <> '[]' then
    refused := refused || private.record_denials(account, every -> 'denials', at);
  end if;
  -- Nothing else told here changes their rows.
  if every -> 'fills' <> '[]' or every -> 'venue_closes' <> '[]' or every -> 'denials' <> '[]' then
    signals := private.signals_of(signal_ids);
  end if;
  if facts - 'intents' = '{}' and not jsonb_path_exists(every, '$.intents[*].code') then
    -- Orders that are to be sent end no signal.
    perform private.mark_signals(signals);
  else
    perform private.settle_signals(signals, at);
  end if;
  if every -> 'fills' <> '[]' or every -> 'outcomes' <> '[]' or every -> 'write_offs' <> '[]' or every -> 'incomes' <> '[]'
    or every -> 'venue_closes' <> '[]' or every -> 'marks' <> '[]' then
    perform private.enforce_limits(account.id, at);
  end if;

  state := private.trading_state(account.id, signal_ids);
  if state -> 'orders' <> '[]' and private.is_watched(account.user_id) then
    perform private.send_to_watcher(account.user_id, 'trading', 'trading', jsonb_build_object(
      'account_id', account.id, 'at', at, 'count', cardinality(signal_ids),
      'orders', jsonb_path_query_array(state, '$.orders[0 to 49]'),
      'positions', jsonb_path_query_array(state, '$.positions[0 to 49]')));
  end if;
  return state || jsonb_build_object('refused', refused, 'terms', case
    when every -> 'intents' <> '[]' then private.risk_terms(account.id, signal_ids)
    else (select jsonb_build_object('status', a.status, 'permissions', a.permissions,
      'number', nextval('private.terms_numbers'))
      from public.exchange_accounts a where a.id = account.id) end);
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
    -- The latest fills whose fees nobody has valued yet, to be told again with their rates.
    'open_fees', coalesce((
      select jsonb_agg(jsonb_build_object('client_order_id', x.client_order_id, 'venue_trade_id', x.venue_trade_id,
        'symbol', x.normalised_symbol, 'price', x.price::text, 'amount', x.amount::text, 'fee_cost', x.fee_cost::text,
        'fee_currency', x.fee_currency, 'executed_at', x.executed_at)) from (
        select o.client_order_id, e.*
        from public.trade_executions e join public.orders o on o.id = e.order_id
        where e.account_id = account.id and e.fee_quote is null order by e.executed_at desc limit 200) x), '[]'),
    'terms', private.risk_terms(account.id, coalesce(signal_ids, '{}')),
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
