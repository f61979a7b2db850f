-- What the venue does by itself: funding, liquidations, orders of others. Each is recorded once, as what it is.
begin;
\ir trading_setup.psql
select plan(39);

select pg_temp.make_ready() as s \gset
select pg_temp.tell(pg_temp.told('intents', pg_temp.entry(:'s') || '{"planned_price": "99.5"}')) \g /dev/null
select pg_temp.tell(pg_temp.told('fills', pg_temp.fill(:'s', 'entry', '1', '100', '10'))) \g /dev/null
select id as p from public.positions where signal_id = :'s' \gset
select is((select trim_scale(entry_slippage) from public.positions where id = :'p'), 5::numeric,
  'what an entry cost against its plan is known');

create function pg_temp.funding(id text, amount text) returns jsonb language sql as $$
  select jsonb_build_object('venue_income_id', id, 'kind', 'funding', 'symbol', 'BTC/USDT:USDT', 'amount', amount,
    'currency', 'USDT', 'amount_quote', amount, 'occurred_at', now());
$$;

-- Funding -------------------------------------------------------------------------------------------------

select is(pg_temp.tell(pg_temp.told('incomes', pg_temp.funding('f1', '-2'))) -> 'refused', '[]', 'funding is recorded');
select pg_temp.tell(pg_temp.told('incomes', pg_temp.funding('f1', '-2'), pg_temp.funding('f2', '0.5'))) \g /dev/null
select is((select count(*)::text || ' ' || sum(amount_quote) from public.account_incomes), '2 -1.5', 'once, however often told');
select is((select count(*)::int from public.account_incomes where position_id = :'p'), 2, 'of the position that it was paid for');
select is((select total from public.risk_measures where subject_id = current_setting('test.account')::uuid), -2.0,
  'it counts as lost, with the fee of the entry');
select is(pg_temp.tell(pg_temp.told('incomes', pg_temp.funding('f3', 'NaN'))) #>> '{refused,0,code}', 'bad_income', 'NaN is none');
select throws_ok($$update public.account_incomes set amount = 1$$, '42501', null, 'none is rewritten');

-- Liquidation ---------------------------------------------------------------------------------------------

create function pg_temp.liquidation(p text, trade text, amount text, reason text default 'liquidated') returns jsonb language sql as $$
  select jsonb_build_object('position_id', p, 'venue_order_id', 'liq-1', 'reason', reason, 'fill', jsonb_build_object(
    'venue_trade_id', trade, 'price', '90', 'amount', amount, 'fee_cost', '1', 'fee_currency', 'USDT', 'executed_at', now()));
$$;
select is(pg_temp.tell(pg_temp.told('venue_closes', pg_temp.liquidation(:'p', '9', '10', 'bored'))) #>> '{refused,0,code}',
  'bad_close', 'a close has a reason of the list');
select is((pg_temp.tell(pg_temp.told('venue_closes', pg_temp.liquidation(:'p', '9', '0'), pg_temp.liquidation(:'p', '9', null),
    pg_temp.liquidation(:'p', '', '10')))) -> 'refused' @@ '$.size() == 3 && $[0].kind == "venue_close" && $[2].index == 2',
  true, 'or is refused with its index: without an amount above zero, or a trade');
select is((select count(*)::text from public.orders where signal_id = :'s' and by_venue), '0', 'which leaves no order');
savepoint third_currency;
select is(
  (select string_agg(r ->> 'kind' || ' ' || (r ->> 'index') || ' ' || (r ->> 'code'), ', ') from jsonb_array_elements(
    pg_temp.tell(pg_temp.told('venue_closes', pg_temp.liquidation(:'p', '9', '10', 'bored'),
      jsonb_set(pg_temp.liquidation(:'p', '9', '10'), '{fill,fee_currency}', '"BNB"'))) -> 'refused') r),
  'venue_close 0 bad_close', 'a fill whose fee cannot be valued is taken all the same');
select is((select status || ' ' || (closed_at is not null) from public.orders where signal_id = :'s' and by_venue),
  'filled true', 'its order is filled');
select is((select fee_open from public.trade_executions where signal_id = :'s' and leg = 'exit'), 'no price of BNB was told',
  'what is not known of its fee is');
select is((select p.status || ' ' || trim_scale(p.fees) from public.positions p where p.id = :'p'), 'closed 0.5',
  'and the position is closed');
rollback to third_currency;
select is(pg_temp.tell(pg_temp.told('venue_closes', pg_temp.liquidation(:'p', '9', '10'))) -> 'refused', '[]',
  'a liquidation is recorded');
select pg_temp.tell(pg_temp.told('venue_closes', pg_temp.liquidation(:'p', '9', '10'))) \g /dev/null
select is((select status || ' ' || exit_reason || ' ' || close_state || ' ' || trim_scale(realized_pnl) from public.positions where id = :'p'),
  'closed liquidated flat -101.5', 'once, with what was lost by it');
select is((select p.realized_pnl = public.recomputed_pnl(p) from public.positions p where p.id = :'p'), true,
  'which the fills say as well');
select is((select outcome_code from public.signals where id = :'s'), 'liquidated', 'the signal ended so');
select is((select string_agg(leg || ' ' || by_venue || ' ' || status, ', ' order by leg) from public.orders where signal_id = :'s'),
  'entry false filled, exit true filled', 'the order is the venue''s and not ours');
select is((select count(*)::int from public.account_events where event_type = 'venue_closed'), 1, 'the account''s trail has it');
select is((select (details ->> 'exit_reason') || ', ' || (details ->> 'reason') from public.account_events where event_type = 'venue_closed'),
  'liquidated, the venue closed 10 of BTCUSDT', 'with the reason of the close beside its sentence');
select is(
  (select r.code from private.limit_refusal('account', current_setting('test.account')::uuid,
    jsonb_populate_record(null::public.risk_limits, '{"max_orders_per_minute": 2}'), current_setting('test.account')::uuid,
    'BTCUSDT', 1, now()) r), null, 'it uses up none of the orders of a minute');

-- Dust ----------------------------------------------------------------------------------------------------

select pg_temp.make_ready('ETHUSDT') as d \gset
select pg_temp.tell(pg_temp.told('intents', pg_temp.entry(:'d') || '{"holding_seconds": 3600}')) \g /dev/null
select pg_temp.tell(pg_temp.told('fills', pg_temp.fill(:'d', 'entry', '1', '100', '0.0005', '0'))) \g /dev/null
select is((select closes_at - opened_at from public.positions where signal_id = :'d'), interval '1 hour',
  'a position knows when its time is over');
select pg_temp.tell(pg_temp.told('outcomes', pg_temp.outcome(:'d', 'entry', 'canceled'))) \g /dev/null
select is((select status || ' ' || exit_reason || ' ' || close_state from public.positions where signal_id = :'d'),
  'closed dust dust', 'what is less than the venue trades is closed as dust');

select pg_temp.make_ready('SOLUSDT', '20 minutes') as v \gset
select pg_temp.tell(pg_temp.told('intents', pg_temp.entry(:'v'))) \g /dev/null
select pg_temp.tell(pg_temp.told('fills', pg_temp.fill(:'v', 'entry', '1', '100', '0.03', '0'))) \g /dev/null
select pg_temp.tell(pg_temp.told('outcomes', pg_temp.outcome(:'v', 'entry', 'canceled'))) \g /dev/null
create function pg_temp.drop_dust(s text, under text) returns jsonb language sql as $$
  select pg_temp.tell(pg_temp.told('exits', jsonb_build_object('position_id', p.id, 'reason', 'dust', 'lot', under)))
  from public.positions p where p.signal_id = s::uuid;
$$;
select pg_temp.tell(pg_temp.told('exits', jsonb_build_object('position_id', (select id from public.positions where signal_id = :'v'),
  'reason', 'protection_failed'))) \g /dev/null
select pg_temp.drop_dust(:'v', '0.03') \g /dev/null
select is((select status::text from public.positions where signal_id = :'v'), 'open', 'what is no less than the least that leaves is not dust');
select pg_temp.drop_dust(:'v', '0.05') \g /dev/null
select is((select p.status || ' ' || p.exit_reason || ' ' || p.close_state || ' ' || trim_scale(p.amount) || ' ' || trim_scale(p.realized_pnl)
    || ' ' || s.outcome_code from public.positions p join public.signals s on s.id = p.signal_id where p.signal_id = :'v'),
  'closed dust dust 0.03 -3 dust', 'what is worth less than any order is, and what it cost is lost');
select is((select p.realized_pnl = public.recomputed_pnl(p) from public.positions p where p.signal_id = :'v'), true,
  'which its fills say as well');

-- Orders of others ----------------------------------------------------------------------------------------

select pg_temp.tell(pg_temp.told('external_orders',
  '{"venue_order_id": "x1", "client_order_id": "web_1", "symbol": "BTC/USDT:USDT", "side": "buy", "amount": "3", "status": "open"}',
  jsonb_build_object('venue_order_id', 'x2', 'client_order_id', pg_temp.cid(:'s', 'entry'), 'symbol', 'BTC/USDT:USDT',
    'side', 'buy', 'amount', '3', 'status', 'open'))) \g /dev/null
select results_eq('select venue_order_id, status from public.external_orders', $$values ('x1', 'open')$$,
  'an order of others is listed, one of ours is not');
select pg_temp.tell(pg_temp.told('external_orders',
  '{"venue_order_id": "x1", "symbol": "BTC/USDT:USDT", "side": "buy", "amount": "3", "filled": "3", "status": "filled"}')) \g /dev/null
select results_eq('select venue_order_id, status, client_order_id from public.external_orders', $$values ('x1', 'filled', 'web_1')$$,
  'and followed');
select is((select count(*)::int from public.account_events where event_type = 'external_order'), 1, 'the trail names it once');
select is((select count(*)::int from public.orders where client_order_id = 'web_1'), 0, 'it never becomes ours');
select is(pg_temp.tell(pg_temp.told('external_orders',
  '{"venue_order_id": "x3", "symbol": "BTC/USDT:USDT", "side": "both", "amount": "3", "status": "open"}')) #>> '{refused,0,kind}',
  'external_order', 'one that neither buys nor sells is refused alone');
select is(
  (select string_agg(r ->> 'index', ',') from jsonb_array_elements(pg_temp.tell(pg_temp.told('notices',
    '{"event_type": "margin_warning", "why": "near", "event_data": null}', '{"event_type": "margin_warning", "why": "near", "event_data": "x"}',
    '{"event_type": "margin_warning", "why": "near", "event_data": []}',
    jsonb_build_object('event_type', 'margin_warning', 'why', 'near', 'event_data', jsonb_build_object('x', repeat('x', 6001))),
    '{"event_type": "margin_warning", "why": "near", "event_data": {"reason": "mine", "by": "rule", "distance": "3"}}'))
    -> 'refused') r), '0,1,2,3', 'a notice that is no object of few letters is refused alone');
select is((select details - 'at' from public.account_events where event_type = 'margin_warning'),
  '{"reason": "near", "distance": "3"}', 'and what one tells does not take the place of its reason');
select is((select confdeltype::text from pg_constraint where conrelid = 'public.external_orders'::regclass and contype = 'f'
  and confrelid = 'public.exchange_accounts'::regclass), 'c', 'orders of others go with their account');
select is(pg_temp.as_role('authenticated', current_setting('test.stranger'),
  'select (select count(*) from public.external_orders) + (select count(*) from public.account_incomes)'), '0',
  'a stranger reads none of this');
select is(pg_temp.as_role('authenticated', current_setting('test.ann'),
  'select (select count(*) from public.external_orders) + (select count(*) from public.account_incomes)'), '3',
  'the owner does');

-- Long messages -------------------------------------------------------------------------------------------

select pg_temp.make_ready('SOLUSDT') as l \gset
select pg_temp.tell(pg_temp.told('intents', pg_temp.entry(:'l'))) \g /dev/null
select pg_temp.tell(pg_temp.told('fills', pg_temp.fill(:'l', 'entry', '2', '100', '10'))) \g /dev/null
select pg_temp.tell(pg_temp.told('exits', jsonb_build_object('position_id', (select id from public.positions where signal_id = :'l'),
  'reason', 'manual_close', 'message', repeat('x', 3000)))) \g /dev/null
select is((select max(length(event_data ->> 'message')) from public.signal_events where signal_id = :'l'), 2000,
  'a long message of an exit is cut');
select pg_temp.make_ready('SOLUSDT', '7 minutes') as m \gset
select pg_temp.tell(pg_temp.told('denials', jsonb_build_object('signal_id', :'m', 'code', 'order_denied',
  'message', repeat('x', 3000)))) \g /dev/null
select is((select max(length(event_data ->> 'message')) from public.signal_events where signal_id = :'m'), 2000,
  'and that of a denial');

select * from finish();
rollback;
