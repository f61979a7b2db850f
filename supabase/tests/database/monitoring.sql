-- Each look at an approved signal leaves a snapshot and decides: look again later, ready, or over.
begin;
\ir stage.psql
select plan(21);

select pg_temp.make_monitoring(pg_temp.eli_trader(), 'AUSDT') as a \gset
update public.traders set monitoring_interval_seconds = 120 where id = pg_temp.eli_trader();
select pg_temp.claim('monitoring') as held \gset
select is(:'held'::jsonb #>> '{0,signal_id}', :'a', 'an approved signal is claimed');

create function pg_temp.refusal(held jsonb, changes jsonb) returns text language sql as $$
  select pg_temp.tell('record_monitoring', pg_temp.each(held, '{"action": "continue", "price": "64000"}' || changes))
    #>> '{refused,0,message}';
$$;
select is(pg_temp.refusal(:'held', '{"price": "0"}'), 'price must be above zero', 'no price');
select is(pg_temp.refusal(:'held', '{"action": "hope"}'), 'action must be continue, ready, exit or stop_monitoring', 'no action');
select is(pg_temp.refusal(:'held', '{"volume": "much"}'),
  'volume, price_change_1m, price_change_5m and confidence must be decimals', 'no volume');
select is(pg_temp.refusal(:'held', '{"action": "exit", "outcome_code": "stop_loss"}'),
  'outcome_code stop_loss is no reason to be expired', 'a reason of another end');
select is((select count(*) from public.signal_monitoring_snapshots where signal_id = :'a'), 0::bigint, 'the refused leave no snapshot');

select is(pg_temp.tell('record_monitoring', pg_temp.each(:'held', '{"action": "continue", "price": "64010.25", "volume": "12.5",
  "price_change_1m": "-0.1", "confidence": "0.7", "reasoning": "waits", "indicators": {"rsi": "41"}}')) -> 'done', '1', 'a look');
select results_eq(format('select number, action, price, volume, price_change_1m, confidence, reasoning, indicators, occurred_at = now()
    from public.signal_monitoring_snapshots where signal_id = %L', :'a'),
  $$ values (1, 'continue', 64010.25, 12.5, -0.1, 0.7, 'waits', '{"rsi": "41"}'::jsonb, true) $$, 'is a snapshot');
select results_eq(format('select status::text, current_price from public.signals where id = %L', :'a'),
  $$ values ('monitoring', 64010.25) $$, 'the signal has its price');
select is(pg_temp.claim('monitoring', 'stage-analyst-2', 100, now() + interval '119 seconds'), '[]', 'it is not due before its interval');
select pg_temp.claim('monitoring', 'stage-analyst-2', 100, now() + interval '120 seconds') as again \gset
select is(:'again'::jsonb #>> '{0,signal_id}', :'a', 'and then any machine takes it');
select is(pg_temp.tell('record_monitoring', pg_temp.each(:'held', '{"action": "ready", "price": "1"}')) #>> '{refused,0,code}', 'lease_lost',
  'the first machine has no say any more');
select is(pg_temp.tell('record_monitoring', pg_temp.each(:'again', '{"action": "ready", "price": "64000"}'), 'stage-analyst-2',
  now() + interval '120 seconds') -> 'done', '1', 'it is ready');
select results_eq(format('select s.status::text, ready_at = now() + interval ''120 seconds'', q.stage, q.leased_by
    from public.signals s join public.signal_queue q on q.signal_id = s.id where s.id = %L', :'a'),
  $$ values ('ready', true, 'trading', null) $$, 'and waits for a bridge');

select pg_temp.make_monitoring(pg_temp.eli_trader(), 'DUSDT') as d \gset
select pg_temp.tell('record_monitoring', pg_temp.each(pg_temp.claim('monitoring'),
  '{"action": "continue", "price": "1", "hold": true}')) \g /dev/null
select results_eq(format('select leased_by, available_at = now() from public.signal_queue where signal_id = %L', :'d'),
  $$ values ('stage-analyst', true) $$, 'who holds it goes on, and should that lease be lost, it is due at once');
delete from public.signal_queue where signal_id = :'d';

-- A look has the time of its candle; who took the signal over may look at the same candles again.
select pg_temp.make_monitoring(pg_temp.eli_trader(), 'EUSDT') as e \gset
select pg_temp.claim('monitoring') as holds \gset
select is(pg_temp.tell('record_monitoring', pg_temp.each(:'holds', '{"action": "continue", "price": "1", "at": "soon"}'))
  #>> '{refused,0,message}', 'at must be a time', 'a look has a time');
select pg_temp.tell('record_monitoring', pg_temp.each(:'holds', jsonb_build_object('action', 'continue', 'price', '1', 'hold', true,
  'at', now() + make_interval(mins => m))), 'stage-analyst', now() + interval '1 hour') from unnest(array[1, 2, 1, 2]) m \g /dev/null
select results_eq(format('select number, occurred_at - now() from public.signal_monitoring_snapshots where signal_id = %L order by 1', :'e'),
  $$ values (1, interval '1 minute'), (2, interval '2 minutes') $$, 'what was looked at again is recorded once, at the time of its candle');
select pg_temp.tell('record_monitoring', pg_temp.each(:'holds', jsonb_build_object('action', 'exit', 'price', '1',
  'at', now() + interval '2 minutes')), 'stage-analyst', now() + interval '1 hour') \g /dev/null
select is((select closed_at - now() from public.signals where id = :'e'), interval '1 hour', 'an end is when it was told');

select pg_temp.make_monitoring(pg_temp.eli_trader(), 'BUSDT') as b \gset
select pg_temp.tell('record_monitoring', pg_temp.each(pg_temp.claim('monitoring'), '{"action": "stop_monitoring", "price": "1"}')) \g /dev/null
select results_eq(format('select status::text, outcome_code from public.signals where id = %L', :'b'),
  $$ values ('expired', 'monitoring_timeout') $$, 'stop_monitoring ends it');
select pg_temp.make_monitoring(pg_temp.eli_trader(), 'CUSDT') as c \gset
select pg_temp.tell('record_monitoring', pg_temp.each(pg_temp.claim('monitoring'),
  '{"action": "exit", "price": "1", "outcome_code": "price_drifted"}')) \g /dev/null
select results_eq(format('select status::text, outcome_code from public.signals where id = %L', :'c'),
  $$ values ('expired', 'price_drifted') $$, 'exit ends it for a reason of its own');
select is((select count(*) from public.signal_queue where signal_id in (:'b', :'c')), 0::bigint, 'nobody waits for them');

select * from finish();
rollback;
