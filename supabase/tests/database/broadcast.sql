-- Users who watch hear of their signals, at most as often as the budget allows, and lose nothing that was held back;
-- who does not watch costs nothing.
begin;
\ir stage.psql
select plan(24);

-- Messages of a topic so far, newest first, that this test has not seen yet.
create temporary table seen (id uuid primary key);
insert into seen select id from realtime.messages;
create function pg_temp.heard(wanted text) returns jsonb language sql as $$
  with fresh as (
    select m.id, m.payload from realtime.messages m where m.topic = wanted and m.private and m.id not in (select id from seen)
  ), marked as (insert into seen select id from fresh)
  select coalesce(jsonb_agg(payload), '[]') from fresh;
$$;
create function pg_temp.topic(who uuid) returns text language sql as $$ select 'user:' || who || ':signals' $$;
create function pg_temp.rest() returns void language sql as $$
  update public.signal_watchers set next_at = '-infinity'; update private.wakes set next_at = '-infinity';
$$;

select pg_temp.make_signal() as unwatched \gset
select is(pg_temp.heard(pg_temp.topic(pg_temp.ann())), '[]', 'nobody watches, nobody hears');
select is((select count(*) from private.broadcast_backlog where user_id = pg_temp.ann()), 0::bigint, 'and nothing is kept for them');

select is(pg_temp.as_role('authenticated', pg_temp.ann()::text, 'select public.watch_signals()')::jsonb -> 'interval_ms', '50',
  'one watcher may hear every 50 ms');
select pg_temp.make_signal(pg_temp.ann_trader(), 'AUSDT') as a \gset
select pg_temp.heard(pg_temp.topic(pg_temp.ann())) as message \gset
select is(:'message'::jsonb #> '{0,count}', '1', 'a watcher hears at once');
select is(:'message'::jsonb #>> '{0,rows,0,name}', 'AUSDT-' || floor(extract(epoch from now() - interval '1 minute') * 1000),
  'what the signal is called');
select is(:'message'::jsonb #> '{0,rows,0,initial_price}', '"64000.5"', 'and its price as text');
select is(array[:'message'::jsonb #>> '{0,from_id}', :'message'::jsonb #>> '{0,to_id}'], array[:'a', :'a'], 'with the range of ids');

-- The throttle.
update public.signal_watchers set next_at = now() + interval '1 hour';
select pg_temp.ingest((select jsonb_agg(pg_temp.row(pg_temp.ann_trader(), 'B' || n, '3 minutes')) from generate_series(1, 60) n))
  as answer \gset
select is(:'answer'::jsonb -> 'held_back', 'true', 'ingest says that something waits');
select pg_temp.make_signal(pg_temp.ann_trader(), 'CUSDT') as c \gset
select is(pg_temp.heard(pg_temp.topic(pg_temp.ann())), '[]', 'before the interval is over nothing is sent');
select pg_temp.as_role('signal_worker', 'stage-worker', 'select public.flush_broadcasts()') \g /dev/null
select is(pg_temp.heard(pg_temp.topic(pg_temp.ann())), '[]', 'nor by a flush');
select pg_temp.rest() \g /dev/null
select cmp_ok(pg_temp.as_role('signal_worker', 'stage-worker', 'select public.flush_broadcasts()')::integer, '>=', 1, 'then the flush sends it');
select pg_temp.heard(pg_temp.topic(pg_temp.ann())) as message \gset
select is(:'message'::jsonb #> '{0,count}', '61', 'all of it is counted');
select is(jsonb_array_length(:'message'::jsonb #> '{0,rows}'), 50, 'fifty rows are shown');
select is(:'message'::jsonb #>> '{0,rows,0,id}', :'c', 'the newest first');
select is((select count(*) from public.signals where user_id = pg_temp.ann() and symbol <> 'BTCUSDT' and symbol <> 'AUSDT'
  and id between (:'message'::jsonb #>> '{0,from_id}')::uuid and (:'message'::jsonb #>> '{0,to_id}')::uuid), 61::bigint,
  'and the range covers them');

-- Changes of status, and what was held back goes along with the next message.
update public.signal_watchers set next_at = now() + interval '1 hour';
select pg_temp.make_signal(pg_temp.ann_trader(), 'DUSDT') \g /dev/null
select pg_temp.rest() \g /dev/null
update public.signals set status = 'expired', outcome_code = 'signal_stale' where id = :'c';
select pg_temp.heard(pg_temp.topic(pg_temp.ann())) as message \gset
select is(:'message'::jsonb #> '{0,count}', '2', 'a change brings along what was held back');
select ok(:'message'::jsonb #> '{0,rows}' @> '[{"status": "expired", "outcome_code": "signal_stale"}]', 'with the new status');

-- A batch of many watchers tells those who have waited longest, so that whoever records it does not wait for all.
create temporary table crowd as select n, gen_random_uuid() as user_id, gen_random_uuid() as trader_id from generate_series(1, 6) n;
insert into auth.users (id, email) select user_id, 'crowd' || n || '@stage.test' from crowd;
insert into public.traders (id, user_id, name, symbols, "interval", conditions)
select trader_id, user_id, 'Dips', array['BTCUSDT'], '1m', array['RSI(14) < 30'] from crowd;
insert into public.signal_watchers (user_id, watched_until, next_at)
select user_id, now() + interval '1 minute', now() - interval '1 minute' * n from crowd;
select is(pg_temp.ingest((select jsonb_agg(pg_temp.row(trader_id)) from crowd)) -> 'held_back', 'true', 'some of a crowd have to wait');
select results_eq($$ select n from crowd where pg_temp.heard(pg_temp.topic(user_id)) <> '[]' order by n $$,
  array[3, 4, 5, 6], 'those who have waited longest hear at once');
select cmp_ok(pg_temp.as_role('signal_worker', 'stage-worker', 'select public.flush_broadcasts()')::integer, '>=', 2,
  'the flush tells the others');
select results_eq($$ select n from crowd where pg_temp.heard(pg_temp.topic(user_id)) #> '{0,count}' = '1' order by n $$,
  array[1, 2], 'so that everyone heard once');

-- The budget.
insert into auth.users (id, email) select gen_random_uuid(), 'watcher' || n || '@stage.test' from generate_series(1, 47) n;
insert into public.signal_watchers (user_id, watched_until) select id, now() + interval '1 minute' from auth.users where email like 'watcher%@stage.test';
select cmp_ok(48 * 2 / extract(epoch from private.broadcast_interval()), '<=', 60::numeric,
  '48 watchers stay within their share of 100 messages a second');

-- Machines.
select pg_temp.heard('machines') \g /dev/null
select pg_temp.rest() \g /dev/null
select pg_temp.make_signal(pg_temp.ann_trader(), 'EUSDT') \g /dev/null
select ok(pg_temp.heard('machines') @> '[{"stage": "analysis"}]', 'machines hear of work');

select pg_temp.as_role('authenticated', pg_temp.ann()::text, 'select public.unwatch_signals()') \g /dev/null
select pg_temp.heard(pg_temp.topic(pg_temp.ann())) \g /dev/null
select pg_temp.make_signal(pg_temp.ann_trader(), 'FUSDT') \g /dev/null
select is(pg_temp.heard(pg_temp.topic(pg_temp.ann())), '[]', 'who stopped watching hears no more');

select * from finish();
rollback;
