-- Positions and profit: everything follows from the fills, each of which counts once.
begin;
\ir trading_setup.psql
select plan(50);

select pg_temp.make_ready() as s \gset
select pg_temp.tell(pg_temp.told('intents', pg_temp.entry(:'s'))) \g /dev/null
select pg_temp.tell(pg_temp.told('outcomes', pg_temp.outcome(:'s', 'entry', 'confirmed'))) \g /dev/null

-- Fills ---------------------------------------------------------------------------------------------------

select is(
  pg_temp.tell(pg_temp.told('fills', pg_temp.fill(:'s', 'entry', '7', '100.1', '4'))) #>> '{positions,0,amount}',
  '4', 'the first fill of an entry makes a position');
select is((select status::text || ' ' || has_open_position || ' ' || has_active_orders from public.signals where id = :'s'),
  'in_position true true', 'and the signal is in it');
select is(
  pg_temp.tell(pg_temp.told('fills', pg_temp.fill(:'s', 'entry', '7', '100.1', '4'))) #>> '{positions,0,amount}',
  '4', 'the same fill told again');
select is((select count(*)::int from public.trade_executions where signal_id = :'s'), 1, 'counts once');
select is((select status || ' ' || filled from public.orders where signal_id = :'s'), 'partially_filled 4',
  'its order is filled in part');
select is((select realized_pnl from public.positions where signal_id = :'s'), -0.5, 'so far it has cost its fee');
select pg_temp.tell(pg_temp.told('fills', pg_temp.fill(:'s', 'entry', '8', '100.2', '6', '0.25'))) \g /dev/null
select is((select entry_average from public.positions where signal_id = :'s'), 100.16, 'the average is of all fills');
select matches(
  pg_temp.tell(pg_temp.told('fills', pg_temp.fill(:'s', 'entry', '9', '0', '1'))) -> 'refused' ->> 0, 'bad_fill',
  'a fill at no price is refused');
select matches(
  pg_temp.tell(pg_temp.told('fills', pg_temp.fill(:'s', 'entry', '9', 'NaN', '1'))) -> 'refused' ->> 0, 'bad_fill',
  'and one at NaN');
select matches(
  pg_temp.tell(pg_temp.told('fills', pg_temp.fill(:'s', 'exit', '9', '1', '1'))) -> 'refused' ->> 0, 'unknown_order',
  'and one of an order that we do not know');
savepoint third_currency;
select is(
  pg_temp.tell(pg_temp.told('fills', pg_temp.fill(:'s', 'entry', '9', '100', '1', '0.1', 'BNB') || '{"fee_open": "no market"}')) -> 'refused',
  '[]', 'one whose fee nobody can value is no reason to leave it out');
select is((select fee_quote::text || fee_open from public.trade_executions where venue_trade_id = '9'), null, 'its fee is open');
select is((select p.amount || ' ' || p.fees || ' ' || p.realized_pnl || ' ' || o.fees from public.positions p
  join public.orders o on o.signal_id = p.signal_id where p.signal_id = :'s'), '11 0.75 -0.75 0.75',
  'and counts nothing yet');
select is(pg_temp.as_role('trading_bridge', 'vyx-test', format(
    'select list_trading(%L, %s) #>> ''{open_fees,0,venue_trade_id}''', current_setting('test.account'),
    current_setting('test.fence'))), '9', 'whoever starts hears of it');
select pg_temp.tell(pg_temp.told('fills', pg_temp.fill(:'s', 'entry', '9', '100', '1', '0.1', 'BNB') || '{"fee_rate": "600"}')) \g /dev/null
select is((select fee_quote || ' ' || (fee_open is null) from public.trade_executions where venue_trade_id = '9'), '60.0 true',
  'told again with its rate it is valued');
select is((select p.amount || ' ' || p.fees || ' ' || trim_scale(p.realized_pnl) || ' ' || o.fees from public.positions p
  join public.orders o on o.signal_id = p.signal_id where p.signal_id = :'s'), '11 60.75 -60.75 60.75', 'and counts');
select pg_temp.tell(pg_temp.told('fills', pg_temp.fill(:'s', 'entry', '9', '100', '1', '0.1', 'BNB') || '{"fee_rate": "700"}')) \g /dev/null
select is((select fee_quote from public.trade_executions where venue_trade_id = '9'), 60.0, 'once');
select throws_ok($$update public.trade_executions set fee_quote = null, fee_open = 'no'$$, '42501', null, 'and for good');
rollback to third_currency;

-- Protection ----------------------------------------------------------------------------------------------

select results_eq(
  format($$select reason from private.unprotected_positions() where signal_id = %L$$, :'s'),
  $$values ('no confirmed stop loss')$$, 'a position without a stop is named');
select is((select count(*)::int from private.positions_left_unprotected() where signal_id = :'s'), 0,
  'but it is being protected: its stop leaves when its fill is known');
savepoint left_alone;
update public.positions set created_at = now() - interval '31 seconds' where signal_id = :'s';
select is((select count(*)::int from private.positions_left_unprotected() where signal_id = :'s'), 0,
  'from its last fill on');
alter table public.trade_executions disable trigger user;
update public.trade_executions set created_at = now() - interval '31 seconds' where signal_id = :'s';
select is((select count(*)::int from private.positions_left_unprotected() where signal_id = :'s'), 1,
  'for half a minute, after which it is left alone');
select is((private.check_positions() ->> 'ok')::boolean, false, 'which the health of the project says');
rollback to left_alone;
select pg_temp.tell(pg_temp.told('intents', pg_temp.guard(:'s', 'stop_loss', '6'), pg_temp.guard(:'s', 'take_profit')))
\g /dev/null
select is((select count(*)::int from private.unprotected_positions() where signal_id = :'s'), 1,
  'a stop that is only intended protects nothing');
select pg_temp.tell(pg_temp.told('outcomes', pg_temp.outcome(:'s', 'stop_loss', 'confirmed'),
  pg_temp.outcome(:'s', 'take_profit', 'confirmed'))) \g /dev/null
select results_eq(
  format($$select reason from private.unprotected_positions() where signal_id = %L$$, :'s'),
  $$values ('the stop loss covers 6 of 10')$$, 'nor does one over a part');
select pg_temp.tell(pg_temp.told('intents', pg_temp.guard(:'s', 'stop_loss', '4', 2))) \g /dev/null
select pg_temp.tell(pg_temp.told('outcomes', jsonb_build_object('client_order_id', pg_temp.cid(:'s', 'stop_loss', 2),
  'outcome', 'confirmed', 'venue_order_id', 'v2'))) \g /dev/null
select is((select count(*)::int from private.unprotected_positions() where signal_id = :'s'), 0,
  'two stops that cover all of it do');
select pg_temp.tell(pg_temp.told('outcomes', pg_temp.outcome(:'s', 'stop_loss', 'confirmed') || '{"trigger_price": "98.5"}',
  pg_temp.outcome(:'s', 'entry', 'confirmed') || '{"trigger_price": "98.5"}')) \g /dev/null
select is((select string_agg(coalesce(trigger_price::text, '-'), ' ' order by leg, attempt) from public.orders
  where signal_id = :'s' and leg in ('entry', 'stop_loss') and attempt = 1), '- 98.5', 'a stop that was moved in its place rests there');
select is((select e.event_type || ' ' || (e.event_data ->> 'trigger_price') from public.order_events e
  join public.orders o on o.id = e.order_id where o.signal_id = :'s' and o.leg = 'stop_loss' and o.attempt = 1
  order by e.number desc limit 1), 'amended 98.5', 'which its trail tells');
select is(pg_temp.as_role('trading_bridge', 'vyx-test', 'select count(*) from public.unprotected_positions()'),
  (select count(*)::text from private.unprotected_positions()), 'the bridge can ask');
select matches(
  pg_temp.as_role('authenticated', current_setting('test.ann'), 'select count(*) from public.unprotected_positions()'),
  '^42501', 'a user cannot: it names the positions of all');

-- Trailing ------------------------------------------------------------------------------------------------

select pg_temp.tell(pg_temp.told('stops', jsonb_build_object('position_id',
  (select id from public.positions where signal_id = :'s'), 'stop_loss', '99'))) \g /dev/null
select is((select stop_loss from public.positions where signal_id = :'s'), 99::numeric, 'a stop follows the price');
select pg_temp.tell(pg_temp.told('stops', jsonb_build_object('position_id',
  (select id from public.positions where signal_id = :'s'), 'stop_loss', '97'))) \g /dev/null
select is((select stop_loss from public.positions where signal_id = :'s'), 99::numeric, 'but never back');
select is(
  (select event_data from public.signal_events where signal_id = :'s' and event_type = 'trailing_stop_updated'),
  '{"stop_loss_from": "98", "stop_loss_to": "99"}', 'the trail says from where to where');

-- The end -------------------------------------------------------------------------------------------------

select pg_temp.tell(pg_temp.told('fills', pg_temp.fill(:'s', 'take_profit', '10', '104.03', '10', '0.52'))) \g /dev/null
select is((select status::text from public.positions where signal_id = :'s'), 'open',
  'flat, but a stop rests: it is not over');
select pg_temp.tell(pg_temp.told('outcomes', pg_temp.outcome(:'s', 'stop_loss', 'canceled'),
  jsonb_build_object('client_order_id', pg_temp.cid(:'s', 'stop_loss', 2), 'outcome', 'canceled'))) \g /dev/null
select is((select status || ' ' || exit_reason from public.positions where signal_id = :'s'), 'closed take_profit',
  'nothing rests: it is closed, by the leg that filled');
select is(
  (select realized_pnl from public.positions where signal_id = :'s'),
  1040.3 - 400.4 - 601.2 - 0.5 - 0.25 - 0.52, 'the profit is what the fills say');
select is(
  (select p.realized_pnl = public.recomputed_pnl(p) and p.gross_pnl - p.fees = p.realized_pnl from public.positions p
   where signal_id = :'s'), true, 'to the last digit, however it is computed');
select is(
  (select status || ' ' || outcome_code || ' ' || total_pnl || ' ' || has_open_position || ' ' || has_active_orders || ' '
    || total_orders_count from public.signals where id = :'s'),
  'closed take_profit 37.43 false false 4', 'the signal tells the same');
select is(
  (select event_data ->> 'realized_pnl' from public.signal_events
   where signal_id = :'s' and event_type = 'position_closed'), '37.43', 'and its trail');
select throws_ok(
  format($$update public.positions set status = 'open', closed_at = null where signal_id = %L$$, :'s'), '23514', null,
  'what is closed stays closed');
select throws_ok($$update public.trade_executions set price = 1$$, '42501', null, 'no fill is changed');
select throws_ok($$delete from public.trade_executions$$, '42501', null, 'none is removed');

-- Fees in the base currency -------------------------------------------------------------------------------

select pg_temp.make_ready('ETHUSDT') as based \gset
select pg_temp.tell(pg_temp.told('intents', pg_temp.entry(:'based'))) \g /dev/null
select pg_temp.tell(pg_temp.told('outcomes', pg_temp.outcome(:'based', 'entry', 'confirmed'))) \g /dev/null
select pg_temp.tell(pg_temp.told('fills', pg_temp.fill(:'based', 'entry', '1', '100', '10', '0.01', 'ETH'))) \g /dev/null
select is((select amount from public.positions where signal_id = :'based'), 9.99, 'a fee in base is taken off what is held');
select is((select fees from public.positions where signal_id = :'based'), 1::numeric, 'and is worth the fill''s price');
select pg_temp.tell(pg_temp.told('intents', pg_temp.guard(:'based', 'stop_loss', '9.99')),
  pg_temp.told('exits', jsonb_build_object('position_id', (select id from public.positions where signal_id = :'based'),
    'reason', 'manual_close'))) \g /dev/null
select pg_temp.tell(pg_temp.told('intents', pg_temp.guard(:'based', 'exit', '9.99'))) \g /dev/null
select pg_temp.tell(pg_temp.told('fills', pg_temp.fill(:'based', 'exit', '2', '101', '9.99', '0.3')),
  pg_temp.told('outcomes', pg_temp.outcome(:'based', 'stop_loss', 'canceled'))) \g /dev/null
select is(
  (select status || ' ' || exit_reason || ' ' || realized_pnl || ' ' || trim_scale(fees) from public.positions
   where signal_id = :'based'),
  'closed manual_close 8.69 1.3', 'the profit counts that fee once');

-- A position that is being flattened --------------------------------------------------------------------------

select pg_temp.make_ready('SOLUSDT') as left_alone \gset
select pg_temp.tell(pg_temp.told('intents', pg_temp.entry(:'left_alone'))) \g /dev/null
select pg_temp.tell(pg_temp.told('fills', pg_temp.fill(:'left_alone', 'entry', '5', '100', '10'))) \g /dev/null
select pg_temp.tell(pg_temp.told('exits', jsonb_build_object('position_id',
  (select id from public.positions where signal_id = :'left_alone'), 'reason', 'protection_failed'))) \g /dev/null
select is((select count(*)::int from private.unprotected_positions() where signal_id = :'left_alone'), 0,
  'a position that is being flattened counts as looked after');
select pg_temp.tell(pg_temp.told('intents', pg_temp.guard(:'left_alone', 'exit'))) \g /dev/null
select pg_temp.tell(pg_temp.told('outcomes', pg_temp.outcome(:'left_alone', 'exit', 'rejected'))) \g /dev/null
select is((select count(*)::int from private.unprotected_positions() where signal_id = :'left_alone'), 1,
  'not when the venue refused to');
select pg_temp.tell(pg_temp.told('write_offs', jsonb_build_object('position_id',
  (select id from public.positions where signal_id = :'left_alone')))) \g /dev/null
select is((select status || ' ' || exit_reason || ' ' || written_off from public.positions where signal_id = :'left_alone'),
  'closed venue_closed 10', 'what the venue closed itself is written off');

-- Who may -------------------------------------------------------------------------------------------------

select is(pg_temp.as_role('authenticated', current_setting('test.ann'),
  'select count(*) > 0 from public.positions p join public.trade_executions x on x.position_id = p.id'), 'true',
  'an owner reads positions and fills');
select is(pg_temp.as_role('authenticated', current_setting('test.stranger'),
  'select (select count(*) from public.positions) + (select count(*) from public.trade_executions)'), '0',
  'a stranger reads neither');

select * from finish();
rollback;
