-- For every signal, whatever way it went, the events are numbered from 1 without a gap and replay to its status.
begin;
\ir stage.psql
select plan(7);

-- Several signals on their several ways.
select pg_temp.make_signal(pg_temp.eli_trader(), 'NEWUSDT') as fresh \gset
select pg_temp.make_ready(pg_temp.eli_trader(), 'RUSDT') as ready \gset
select pg_temp.make_ready(pg_temp.eli_trader(), 'TUSDT') as traded \gset
select private.append_signal_events(jsonb_build_array(
  jsonb_build_object('signal_id', :'traded', 'event_type', 'order_created', 'event_data', '{"leg": "entry"}'::jsonb),
  jsonb_build_object('signal_id', :'fresh', 'event_type', 'monitoring_update', 'location', 'monitoring'),
  jsonb_build_object('signal_id', :'traded', 'event_type', 'order_filled')), now()) as appended \gset
select private.move_signal(:'traded', 'in_position', now(), null, '{"position_id": "00000000-0000-4000-8000-0000000000e1",
  "event_data": {"entry": "64000"}, "worker": "stage-bridge"}') \g /dev/null
select private.append_signal_events(jsonb_build_array(
  jsonb_build_object('signal_id', :'traded', 'event_type', 'take_profit_triggered')), now()) \g /dev/null
select private.move_signal(:'traded', 'closed', now(), 'take_profit') \g /dev/null
select pg_temp.make_monitoring(pg_temp.eli_trader(), 'XUSDT') as given_up \gset
select pg_temp.tell('record_monitoring', pg_temp.each(pg_temp.claim('monitoring'), '{"action": "exit", "price": "1"}')) \g /dev/null
select pg_temp.make_signal(pg_temp.eli_trader(), 'FUSDT') as failed \gset
select pg_temp.tell('fail_analysis', pg_temp.each(pg_temp.claim('analysis'), jsonb_build_object('error', 'no model',
  'retry_at', now()))) \g /dev/null
select pg_temp.tell('fail_analysis', pg_temp.each(pg_temp.claim('analysis'), '{"error": "no model"}')) \g /dev/null

select is(:'appended', 3, 'three events were appended');
select is_empty($$
  select s.id from public.signals s
  where s.status <> (select e.to_status from public.signal_events e where e.signal_id = s.id and e.to_status is not null
    order by e.number desc limit 1)
$$, 'the last status of the trail is the signal''s');
select is_empty($$
  select e.signal_id, e.number from (
    select e.*, row_number() over (partition by e.signal_id order by e.number) as place,
      lag(e.to_status) over (partition by e.signal_id order by e.number) as before
    from public.signal_events e where e.to_status is not null
  ) e
  where e.from_status is distinct from e.before
$$, 'each change starts where the last one ended');
select is_empty($$
  select signal_id from public.signal_events group by signal_id having count(*) <> max(number) or min(number) <> 1
$$, 'the numbers have no gaps');
select results_eq(format('select event_type::text, from_status::text, to_status::text, location::text
    from public.signal_history(%L)', :'traded'),
  $$ values ('signal_created', null, 'new', 'ingest'), ('analysis_started', 'new', 'analyzing', 'analysis'),
    ('analysis_completed', 'analyzing', 'monitoring', 'analysis'), ('monitoring_action', 'monitoring', 'ready', 'monitoring'),
    ('order_created', null, null, 'trading'), ('order_filled', null, null, 'trading'),
    ('position_opened', 'ready', 'in_position', 'trading'), ('take_profit_triggered', null, null, 'trading'),
    ('position_closed', 'in_position', 'closed', 'trading') $$, 'a whole life in order');
select results_eq(format('select event_data, error_info, position_id, worker from public.signal_history(%L)
    where to_status in (''in_position'', ''closed'')', :'traded'),
  $$ values ('{"entry": "64000"}'::jsonb, null::jsonb, '00000000-0000-4000-8000-0000000000e1'::uuid, 'stage-bridge'),
    ('{"outcome_code": "take_profit"}', null, null, 'postgres') $$, 'an event says what only it knows');
select results_eq(format('select event_type::text, to_status::text, error_info from public.signal_history(%L) where number > 1',
    :'failed'),
  $$ values ('analysis_started', 'analyzing', null::jsonb), ('analysis_failed', 'new', '{"error": "no model"}'::jsonb),
    ('analysis_started', 'analyzing', null), ('analysis_failed', 'rejected', '{"error": "no model"}') $$,
  'failed tries say why');

select * from finish();
rollback;
