-- Orders: intended once, moved only along their way, with a trail that nobody rewrites.
begin;
\ir trading_setup.psql
select plan(36);

select pg_temp.make_ready() as s \gset

-- Intents -------------------------------------------------------------------------------------------------

select is(
  jsonb_path_query_array(pg_temp.tell(pg_temp.told('intents', pg_temp.entry(:'s'))), '$.orders[*].status'),
  '["intended"]', 'an entry is intended');
select is(
  (select client_order_id from public.orders where signal_id = :'s'),
  encode(substring(sha256(convert_to(:'s' || '|entry|1', 'UTF8')) from 1 for 16), 'hex'),
  'its client order id derives from the signal');
select is(
  jsonb_path_query_array(pg_temp.tell(pg_temp.told('intents', pg_temp.entry(:'s'))), '$.orders[*].status'),
  '["intended"]', 'the same intent a second time');
select is((select count(*)::int from public.orders where signal_id = :'s'), 1, 'is no second order');
select is(
  (select q.available_at > now() + interval '1 hour' and q.leased_until is null from public.signal_queue q
   where q.signal_id = :'s'),
  true, 'a signal with an entry is not looked for in the queue');
select matches(
  pg_temp.tell(pg_temp.told('intents', pg_temp.entry('01985f3f-e000-8000-8000-000000000000'))) -> 'refused' ->> 0,
  'unknown_signal', 'a signal that is not there has no orders');
select throws_ok(
  format($$update public.orders set client_order_id = repeat('0', 32) where signal_id = %L$$, :'s'), '23514', null,
  'an id that derives from nothing is refused');
select throws_ok(
  format($$update public.orders set amount = -1 where signal_id = %L$$, :'s'), '23514', null, 'so is a negative amount');
select throws_ok(
  format($$update public.orders set status = 'open', confirmed_at = now() where signal_id = %L$$, :'s'), '23514', null,
  'an open order has the venue''s id');
select throws_ok(
  format($$update public.orders set status = 'filled', venue_order_id = 'v', confirmed_at = now(), closed_at = now()
    where signal_id = %L$$, :'s'), '23514', null, 'a filled order is filled whole');
select throws_ok(
  format($$update public.orders set status = 'rejected', closed_at = now() where signal_id = %L$$, :'s'), '23514', null,
  'a refusal has a reason');
select throws_ok(
  format($$update public.orders set status = 'canceled' where signal_id = %L$$, :'s'), '23514', null,
  'an end has its time');
select throws_ok(
  format($$delete from public.orders where signal_id = %L$$, :'s'), '42501', null, 'no order is ever deleted');

-- Outcomes ------------------------------------------------------------------------------------------------

select is(
  pg_temp.tell(pg_temp.told('outcomes', pg_temp.outcome(:'s', 'entry', 'unresolved',
    '{"code": "order_unresolved", "message": "RequestTimeout"}'))) #>> '{orders,0,status}',
  'unresolved', 'a timeout leaves it unresolved');
select is(
  pg_temp.tell(pg_temp.told('outcomes', pg_temp.outcome(:'s', 'entry', 'confirmed'))) #>> '{orders,0,status}',
  'open', 'found at the venue it is open');
select is(
  pg_temp.tell(pg_temp.told('outcomes', pg_temp.outcome(:'s', 'entry', 'unresolved'))) #>> '{orders,0,status}',
  'open', 'what was confirmed stays confirmed');
select is(
  pg_temp.tell(pg_temp.told('outcomes', pg_temp.outcome(:'s', 'entry', 'denied'))) #>> '{orders,0,status}',
  'open', 'and can be denied no more');
select matches(
  pg_temp.tell(pg_temp.told('outcomes', pg_temp.outcome(:'s', 'entry', 'vanished'))) -> 'refused' ->> 0,
  'bad_outcome', 'an unknown outcome is refused by name');
select matches(
  pg_temp.tell(pg_temp.told('outcomes', '{"client_order_id": "nobody", "outcome": "confirmed"}')) -> 'refused' ->> 0,
  'unknown_order', 'so is an order of somebody else');
select is(
  pg_temp.tell(pg_temp.told('outcomes', pg_temp.outcome(:'s', 'entry', 'canceled'))) #>> '{orders,0,status}',
  'canceled', 'cancelled it is over');
select is((select status || ' ' || outcome_code from public.signals where id = :'s'), 'expired entry_unfilled',
  'and without a fill its signal expires');
select is(
  pg_temp.tell(pg_temp.told('outcomes', pg_temp.outcome(:'s', 'entry', 'confirmed'))) #>> '{orders,0,status}',
  'canceled', 'what is over stays over');
select is(
  (select string_agg(event_type || ':' || coalesce(from_status::text, '') || '>' || to_status, ' ' order by number)
   from public.order_events e join public.orders o on o.id = e.order_id where o.signal_id = :'s'),
  'intended:>intended unresolved:intended>unresolved open:unresolved>open canceled:open>canceled',
  'each change left one event, numbered in order');
select throws_ok(
  $$update public.order_events set event_data = '{}'$$, '42501', null, 'no event is changed');
select throws_ok($$delete from public.order_events$$, '42501', null, 'none is removed');

-- Refusals ------------------------------------------------------------------------------------------------

select pg_temp.make_ready('ETHUSDT') as refused \gset
select pg_temp.tell(pg_temp.told('intents', pg_temp.entry(:'refused'), pg_temp.guard(:'refused', 'stop_loss', '10', 1, true)))
\g /dev/null
select pg_temp.tell(pg_temp.told('outcomes', pg_temp.outcome(:'refused', 'entry', 'rejected',
  '{"code": "insufficient_balance", "message": "InsufficientFunds"}'))) \g /dev/null
select is((select outcome_code from public.signals where id = :'refused'), 'insufficient_balance',
  'a refused entry ends its signal with the reason');
select is((select status::text from public.orders where signal_id = :'refused' and leg = 'stop_loss'), 'canceled',
  'and what was attached to it');
select pg_temp.make_ready('SOLUSDT') as denied \gset
select pg_temp.tell(pg_temp.told('intents',
  pg_temp.entry(:'denied') || '{"code": "below_min_notional", "message": "worth 1 USDT"}')) \g /dev/null
select is((select status || ' ' || code from public.orders where signal_id = :'denied'), 'denied below_min_notional',
  'an order that our checks denied is kept');
select is((select outcome_code from public.signals where id = :'denied'), 'below_min_notional', 'and ends its signal');
select pg_temp.make_ready('SOLUSDT', '3 minutes') as drifted \gset
select pg_temp.tell(pg_temp.told('denials', jsonb_build_object('signal_id', :'drifted', 'code', 'price_drifted')))
\g /dev/null
select is((select status || ' ' || outcome_code from public.signals where id = :'drifted'), 'expired price_drifted',
  'a signal is given up without an order');
select matches(
  pg_temp.tell(pg_temp.told('denials', jsonb_build_object('signal_id', :'drifted', 'code', 'take_profit')))
    -> 'refused' ->> 0,
  'bad_outcome', 'but for a reason to expire');

-- Who may -------------------------------------------------------------------------------------------------

select is(pg_temp.as_role('authenticated', current_setting('test.ann'), 'select count(*) > 0 from public.orders'),
  'true', 'an owner reads the orders');
select is(pg_temp.as_role('authenticated', current_setting('test.stranger'), 'select count(*) from public.orders'),
  '0', 'a stranger does not');
select matches(
  pg_temp.as_role('authenticated', current_setting('test.ann'), 'update public.orders set amount = 1'), '^42501',
  'an owner changes none');
select matches(
  pg_temp.as_role('authenticated', current_setting('test.ann'),
    $$select public.record_trading('00000000-0000-4000-8000-0000000000aa', 1, '{}')$$),
  '^42501', 'and tells the database nothing about them');
select matches(pg_temp.as_role('analyst', 'vyx-test', 'select count(*) from public.orders'), '^42501',
  'an analyst has no business with orders');

select * from finish();
rollback;
