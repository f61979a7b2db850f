-- Work is claimed for a while with a number that fences off whoever had it before; what is not finished goes back.
begin;
\ir stage.psql
select plan(29);

select pg_temp.make_signal(pg_temp.eli_trader(), 'AUSDT', '3 minutes') as a \gset
select pg_temp.make_signal(pg_temp.eli_trader(), 'BUSDT', '2 minutes') as b \gset
select pg_temp.make_signal(pg_temp.eli_trader(), 'CUSDT', '1 minute') as c \gset

select is(pg_temp.claim('analysis', 'stage-analyst', 100, now() - interval '150 seconds') #>> '{0,signal_id}', :'a',
  'work is due when the clock of the caller says so');
select pg_temp.claim('analysis', 'stage-analyst', 1) as first \gset
select is(:'first'::jsonb #>> '{0,signal_id}', :'b', 'the oldest is next');
select is(pg_temp.status_of(:'b'), 'analyzing', 'a claimed signal is analyzing');
select is(jsonb_array_length(pg_temp.claim('analysis', 'stage-analyst-2')), 1, 'another machine gets the rest');
select is(pg_temp.claim('analysis', 'stage-analyst-2'), '[]', 'and then nothing');

select is(pg_temp.as_role('analyst', 'stage-analyst', format('select public.renew_work(''analysis'', %L, 60)', :'first')),
  '{"lost": [], "renewed": 1}', 'a lease is renewed');
select is(pg_temp.as_role('analyst', 'stage-analyst', format('select public.renew_work(''analysis'', %L, 60)',
    jsonb_set(:'first', '{0,fence}', '0')))::jsonb, jsonb_build_object('lost', jsonb_build_array(:'b'), 'renewed', 0),
  'not with an older fence');

-- The answer to a claim was lost on its way.
create function pg_temp.claim_after(who text, fence bigint) returns text language sql as $$
  select coalesce(pg_temp.as_role('analyst', who, format('select string_agg(signal_id::text, '','' order by signal_id)
    from public.claim_work(''analysis'', 10, 30, now(), %s)', fence)), '(nothing)');
$$;
select is(pg_temp.claim_after('stage-analyst', (:'first'::jsonb #>> '{0,fence}')::bigint), '(nothing)',
  'a machine that knows all its fences gets nothing again');
select is(pg_temp.claim_after('stage-analyst', 0), :'a' || ',' || :'b', 'one that knows none gets again what it holds');
select is((select string_agg(distinct leased_by, ',') from public.signal_queue where signal_id = :'c'), 'stage-analyst-2',
  'what another holds stays there');
select jsonb_agg(jsonb_build_object('signal_id', signal_id, 'fence', fence)) as first from public.signal_queue
where signal_id = :'b' \gset

-- The lease of b runs out.
update public.signal_queue set leased_until = now() - interval '1 second' where signal_id = :'b';
select pg_temp.claim('analysis', 'stage-analyst-2') as second \gset
select is(:'second'::jsonb #>> '{0,signal_id}', :'b', 'what ran out is claimed by the next');
select cmp_ok((:'second'::jsonb #>> '{0,fence}')::bigint, '>', (:'first'::jsonb #>> '{0,fence}')::bigint, 'with a greater fence');
select results_eq(format('select event_type::text, from_status::text, to_status::text from public.signal_history(%L) where number > 1', :'b'),
  $$ values ('analysis_started', 'new', 'analyzing'), ('lease_expired', 'analyzing', 'new'),
    ('analysis_started', 'new', 'analyzing') $$, 'the trail tells of it');
select is((select retry_count from public.signals where id = :'b'), 1, 'and the signal counts it');
select is(pg_temp.tell('complete_analysis', pg_temp.each(:'first', pg_temp.approved())) #>> '{refused,0,code}', 'lease_lost',
  'the first machine''s late result is refused');
select is(pg_temp.status_of(:'b'), 'analyzing', 'and changed nothing');
select is(pg_temp.as_role('analyst', 'stage-analyst', format('select public.release_work(''analysis'', %L)', :'first'))::jsonb -> 'released',
  '0', 'nor can it give back what it lost');
select is(pg_temp.tell('complete_analysis', pg_temp.each(:'second', pg_temp.approved()), 'stage-analyst-2') -> 'done', '1',
  'the second''s result counts');

-- Given back.
select pg_temp.make_signal(pg_temp.eli_trader(), 'DUSDT') as d \gset
select pg_temp.claim('analysis') as third \gset
select is(pg_temp.as_role('analyst', 'stage-analyst', format('select public.release_work(''analysis'', %L, %L)', :'third',
  now() + interval '5 minutes'))::jsonb, '{"released": 1, "lost": []}', 'work is given back');
select is(pg_temp.status_of(:'d'), 'new', 'a released signal is new again');
select is(pg_temp.claim('analysis'), '[]', 'it waits for its time');
select is(pg_temp.claim('analysis', 'stage-analyst', 100, now() + interval '6 minutes') #>> '{0,signal_id}', :'d', 'and comes again');
select is((select attempts from public.signal_queue where signal_id = :'d'), 1, 'giving back is no failed attempt');

-- Five lost leases are enough.
update public.signal_queue set attempts = 5, leased_until = now() - interval '1 second' where signal_id = :'d';
select private.return_expired_leases() as returned \gset
select is(:'returned', 1, 'the job takes leases back as well');
select results_eq(format('select status::text, outcome_code from public.signals where id = %L', :'d'),
  $$ values ('rejected', 'analysis_failed') $$, 'after five the analysis has failed');

select is(pg_temp.as_role('analyst', 'stage-analyst', 'select public.work_waiting(''monitoring'')')::jsonb -> 'due', '1',
  'how much is waiting can be asked');
select is((pg_temp.as_role('analyst', 'stage-analyst', format('select public.work_waiting(''monitoring'', %L)',
    (select available_at - interval '1 minute' from public.signal_queue where stage = 'monitoring')))::jsonb ->> 'next_at')::timestamptz,
  (select available_at from public.signal_queue where stage = 'monitoring'), 'and when more becomes due');
select alike(pg_temp.as_role('analyst', 'stage-analyst', 'select * from public.claim_work(''analysis'', 0)'), '22023%1 to 1000%',
  'a claim of nothing is refused');
select alike(pg_temp.as_role('analyst', 'stage-analyst', 'select * from public.claim_work(''analysis'', 10, 0)'), '22023%1 to 3600%',
  'and a lease of no time');

select * from finish();
rollback;
