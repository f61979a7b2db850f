-- One signal whole: everything that happened to it in one document, exact, and for its owner alone.
begin;
\ir trading_setup.psql
select plan(20);

select pg_temp.make_ready() as s \gset
select pg_temp.tell(pg_temp.told('intents', pg_temp.entry(:'s'))) \g /dev/null
select pg_temp.tell(pg_temp.told('outcomes', pg_temp.outcome(:'s', 'entry', 'confirmed'))) \g /dev/null
select pg_temp.tell(pg_temp.told('fills', pg_temp.fill(:'s', 'entry', '7', '100.10', '4'))) \g /dev/null
insert into public.signal_monitoring_snapshots (signal_id, user_id, occurred_at, number, action, price, reasoning)
values (:'s', current_setting('test.ann')::uuid, now(), 2, 'ready', 100.50, 'it broke out'),
  (:'s', current_setting('test.ann')::uuid, now(), 1, 'continue', 99.90, null);
select format('select public.signal_story(%L)', :'s') as question \gset
create temporary table told as
select pg_temp.as_role('authenticated', current_setting('test.ann'), :'question')::jsonb as story;
create function pg_temp.told(variadic path text[]) returns jsonb language sql as $$ select story #> path from told; $$;

select set_eq($$ select jsonb_object_keys(story) from told $$, array['signal', 'trader', 'outcome', 'events', 'snapshots',
  'orders', 'order_events', 'positions', 'executions'], 'it has these parts');
select is(pg_temp.told('signal', 'id'), to_jsonb(:'s'::text), 'the signal');
select is(pg_temp.told('signal', 'status'), '"in_position"', 'as it is now');
select is(pg_temp.told('signal', 'initial_price'), '"100"', 'its price is text');
select matches(pg_temp.told('signal', 'name') #>> '{}', '^BTCUSDT-\d{13}$', 'its name is the human one');
select is(pg_temp.told('signal', 'machine'), 'null', 'no machine made it');
select is(pg_temp.told('trader', 'name'), '"Dips"', 'the trader');
select is(pg_temp.told('trader', 'position_size_value'), '"1000"', 'whose amounts are text');
select is(pg_temp.told('outcome'), 'null', 'it has not ended');
select is((select array_agg((e ->> 'number')::integer order by n) from jsonb_array_elements(pg_temp.told('events')) with ordinality x (e, n)),
  (select array_agg(e.number order by e.number) from public.signal_events e where e.signal_id = :'s'), 'every event, in order');
select is(pg_temp.told('events', '-1', 'event_type'), (
    select to_jsonb(e.event_type) from public.signal_events e where e.signal_id = :'s' order by e.number desc limit 1
  ), 'to the last');
select is(jsonb_path_query_array(pg_temp.told('snapshots'), '$[*].number'), '[1, 2]', 'the snapshots in order');
select is(pg_temp.told('snapshots', '1', 'price'), '"100.50"', 'with exact prices');
select is(pg_temp.told('orders', '0', 'filled'), '"4"', 'the orders');
select is(pg_temp.told('order_events', '0', 'to_status'), '"intended"', 'what happened to them');
select is(pg_temp.told('positions', '0', 'entry_average'), '"100.1"', 'the position');
select is(pg_temp.told('executions', '0', 'price'), '"100.10"', 'the fills');

select is(pg_temp.as_role('authenticated', current_setting('test.stranger'), :'question'), null, 'a stranger is told nothing');
select alike(pg_temp.as_role('anon', null, :'question'), '42501%', 'anonymous may not ask');
select alike(pg_temp.as_role('trading_bridge', 'vyx-1', :'question'), '42501%', 'nor a machine');

select * from finish();
rollback;
