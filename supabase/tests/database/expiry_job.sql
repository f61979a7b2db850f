-- What nobody works on any more is given up by a job, with its reason in the trail; a live lease, an order or a position
-- keeps a signal.
begin;
\ir stage.psql
select plan(16);

create function pg_temp.age_of(signal uuid, age interval) returns void language sql as $$
  -- As if nothing had touched it since: with the column named, the trigger that sets it keeps still.
  update public.signals s set updated_at = now() - age where s.id = signal;
$$;
create function pg_temp.expire_now() returns integer language sql as $$ select private.expire_stale_signals() $$;
-- A recorded day: what fires now cannot be stale.
select private.open_partition('2019-03-31') \g /dev/null
create function pg_temp.old(symbol text) returns uuid language sql as $$
  select pg_temp.make_signal(pg_temp.eli_trader(), symbol, now() - timestamptz '2019-03-31 12:00Z');
$$;

select pg_temp.old('ANEW') as a \gset
select is(pg_temp.expire_now(), 0, 'what was recorded just now is not stale, however long ago it fired');
select pg_temp.age_of(:'a', '23 hours 59 minutes') \g /dev/null
select is(pg_temp.expire_now(), 0, 'nor before its time');
select pg_temp.age_of(:'a', '24 hours') \g /dev/null
select is(pg_temp.expire_now(), 1, 'then it is given up');
select results_eq(format('select status::text, outcome_code from public.signals where id = %L', :'a'),
  $$ values ('expired', 'signal_stale') $$, 'with a reason');
select results_eq(format($$ select event_type::text, from_status::text, to_status::text, worker, event_data ->> 'outcome_code'
    from public.signal_events where signal_id = %L and number = 2 $$, :'a'),
  $$ values ('signal_expired', 'new', 'expired', 'job expiry', 'signal_stale') $$, 'and the trail says who and why');
select is_empty(format('select 1 from public.signal_queue where signal_id = %L', :'a'), 'nobody will work on it');
select is(pg_temp.expire_now(), 0, 'once');

select pg_temp.old('BLEASED') as b \gset
select pg_temp.claim('analysis') \g /dev/null
select pg_temp.age_of(:'b', '30 hours') \g /dev/null
select is(pg_temp.expire_now(), 0, 'what a machine holds is left alone');
update public.signal_queue set leased_until = now() - interval '1 second' where signal_id = :'b';
select is(pg_temp.expire_now(), 1, 'until its lease is over');
select is(pg_temp.status_of(:'b'), 'expired', 'from analyzing too');

select pg_temp.make_ready(pg_temp.eli_trader(), 'CUSDT', now() - timestamptz '2019-03-31 12:01Z') as c \gset
select pg_temp.age_of(:'c', '30 hours') \g /dev/null
update public.signals set has_active_orders = true, updated_at = now() - interval '30 hours' where id = :'c';
select is(pg_temp.expire_now(), 0, 'one with orders at the venue is left alone');
update public.signals set has_active_orders = false, has_open_position = true, updated_at = now() - interval '31 hours' where id = :'c';
select is(pg_temp.expire_now(), 0, 'and one with a position');
update public.signals set has_open_position = false, updated_at = now() - interval '32 hours' where id = :'c';
select is(private.run_job('expiry') -> 'did', '{"expired": 1}', 'else the job gives it up, and says so');

select pg_temp.make_monitoring(pg_temp.eli_trader(), 'DUSDT', now() - timestamptz '2019-03-31 12:02Z') as d \gset
update private.stale_limits set give_up_after = '2 hours' where status = 'monitoring';
select pg_temp.age_of(:'d', '2 hours') \g /dev/null
set local timezone = 'Pacific/Kiritimati';
select is(pg_temp.expire_now(), 1, 'how long is a setting of each status');
select is((select outcome_code from public.signals where id = :'d'), 'monitoring_timeout', 'as is the reason');
select throws_ok($$ update private.stale_limits set outcome_code = 'stop_loss' where status = 'new' $$, '23503', null,
  'which must be one to be expired for');

select * from finish();
rollback;
