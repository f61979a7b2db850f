-- What a user asks about how their own signals were carried out, page by page and in figures.
begin;
\ir stage.psql
select plan(22);

select pg_temp.make_ready(pg_temp.ann_trader(), 'AUSDT', '3 minutes') as a \gset
select pg_temp.make_signal(pg_temp.ann_trader(), 'BUSDT', '2 minutes') as b \gset
select pg_temp.make_signal(pg_temp.pia_trader(), 'PUSDT', '2 minutes') as p \gset

-- The trail -------------------------------------------------------------------------------------------------

create function pg_temp.page(arguments text, who uuid default pg_temp.ann(), role_name text default 'authenticated') returns text
language sql as $$
  select pg_temp.as_role(role_name, who::text, format(
    'select public.trail_page(now() - interval ''1 hour'', now()%s)', coalesce(', ' || nullif(arguments, ''), '')));
$$;
create function pg_temp.told(page text) returns text language sql as $$
  select string_agg((r ->> 'symbol') || ' ' || (r ->> 'number') || ' ' || (r ->> 'event_type'), ', ' order by n)
  from jsonb_array_elements(page::jsonb -> 'rows') with ordinality e (r, n);
$$;

select is(pg_temp.told(pg_temp.page('')),
  (select string_agg(s.symbol || ' ' || e.number || ' ' || e.event_type, ', ' order by s.id, e.number)
    from public.signal_events e join public.signals s on s.id = e.signal_id where s.user_id = pg_temp.ann()),
  'a user reads all of their trail, signal by signal');
select is(pg_temp.told(pg_temp.page('newest_first => true')),
  (select string_agg(s.symbol || ' ' || e.number || ' ' || e.event_type, ', ' order by s.id desc, e.number desc)
    from public.signal_events e join public.signals s on s.id = e.signal_id where s.user_id = pg_temp.ann()),
  'or the newest first');
select is(pg_temp.page('most => 1')::jsonb ->> 'cursor', :'a', 'a page ends with a cursor');
select is(pg_temp.told(pg_temp.page(format('most => 1, cursor => %L', :'a'))), 'BUSDT 1 signal_created', 'from which the next goes on');
select is(pg_temp.told(pg_temp.page(format('most => 1, newest_first => true, cursor => %L', :'b'))) like 'AUSDT%', true, 'either way');
select is(pg_temp.page('')::jsonb -> 'cursor', 'null'::jsonb, 'at the end there is none');
select is(pg_temp.told(pg_temp.page('events => array[''signal_created'']')), 'AUSDT 1 signal_created, BUSDT 1 signal_created',
  'filtered by what happened');
select is(pg_temp.told(pg_temp.page('workers => array[''nobody'']')), null, 'and by who did it');
select is(pg_temp.page('workers => array[''nobody'']')::jsonb ->> 'signals', '2', 'also where nothing is left, it says what it looked at');
select is(pg_temp.page('')::jsonb #>> '{rows,0,initial_price}', '64000.5', 'money is text');
select matches(pg_temp.page('')::jsonb #>> '{rows,0,recorded_at}', '^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}\+00:00$', 'times to the microsecond');
select is(pg_temp.page('', pg_temp.stranger())::jsonb -> 'rows', '[]'::jsonb, 'a stranger reads nothing');
select alike(pg_temp.page('', null, 'anon'), '42501%', 'anonymous may not ask');
select alike(pg_temp.page('most => 0'), '22023%1 to 1000%', 'a page has its bounds');

-- Steps -----------------------------------------------------------------------------------------------------

create function pg_temp.steps(who uuid, role_name text default 'authenticated') returns text language sql as $$
  select pg_temp.as_role(role_name, who::text, 'select string_agg(from_status || ''-'' || to_status || '' '' || signals, '', '')
    from public.step_latencies(now() - interval ''1 hour'', now())');
$$;
select is(pg_temp.steps(pg_temp.ann()) ~ 'analyzing-monitoring 1, monitoring-ready 1', true, 'how long each step took, of one''s own signals');
select is(pg_temp.steps(pg_temp.stranger()), null, 'a stranger''s took no time');
select alike(pg_temp.steps(null, 'anon'), '42501%', 'anonymous may not ask');
select alike(pg_temp.as_role('authenticated', pg_temp.ann()::text, 'select * from public.step_latencies(most => 0)'), '22023%', 'it has its bounds');

-- Slippage --------------------------------------------------------------------------------------------------

select is(pg_temp.as_role('authenticated', pg_temp.stranger()::text, 'select count(*) from public.slippage_summary()'), '0',
  'a stranger has no slippage');
select alike(pg_temp.as_role('anon', null, 'select count(*) from public.slippage_summary()'), '42501%', 'anonymous may not ask');
select alike(pg_temp.as_role('authenticated', pg_temp.ann()::text, 'select * from public.slippage_summary(now(), now())'), '22023%',
  'a range has its order');
select is(pg_temp.as_role('authenticated', pg_temp.ann()::text, 'select count(*) from public.risk_use(gen_random_uuid())'), '0',
  'of an account that is nobody''s nothing is used');

select * from finish();
rollback;
