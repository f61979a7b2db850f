-- Who may ask, what they are shown, and what is refused with which error.
begin;
\ir stage.psql
\ir queries_setup.psql
select plan(39);

select is(pg_temp.ask('', pg_temp.pia()), 'PUSDT', 'everyone sees their own');
select is(pg_temp.ask('', pg_temp.stranger()), '', 'a stranger sees none');
select is(pg_temp.ask(format('traders => array[%L::uuid]', pg_temp.eli_trader()), pg_temp.stranger()), '',
  'nor by asking for another''s trader');
select is(pg_temp.ask('search => ''momentum''', pg_temp.stranger()), '', 'nor by searching');
select is(pg_temp.as_role('authenticated', null, 'select public.query_signals() -> ''rows'''), '[]', 'a token of nobody sees none');
select alike(pg_temp.as_role('anon', null, 'select public.query_signals()'), '42501%', 'anonymous may not ask');
select alike(pg_temp.as_role(role_name, who, 'select public.query_signals()'), '42501%', role_name || ' may not')
from (values ('signal_worker', 'stage-worker'), ('analyst', 'stage-analyst'), ('trading_bridge', 'stage-bridge')) r (role_name, who);
select is(pg_temp.ask(format('traders => array[%L, %L]::uuid[], symbols => ''{BUSDT,PUSDT}''', pg_temp.eli_trader(), pg_temp.pia_trader()),
  null, 'service_role'), 'PUSDT BUSDT', 'an operator sees everyone''s');

-- A row.
create temporary table answer as
select pg_temp.as_role('authenticated', pg_temp.eli()::text,
  'select public.query_signals(symbols => ''{DUSDT}'') -> ''rows'' -> 0')::jsonb as row;
select is((select count(*) from answer, jsonb_object_keys(row)), (
    select count(*) + 2 from information_schema.columns where table_schema = 'public' and table_name = 'signals'
  ), 'a row has every column of a signal, its name and its machine''s');
select is((select row -> 'initial_price' from answer), '"64000.5"', 'prices are text');
select is((select jsonb_typeof(row -> 'analysis_confidence') || jsonb_typeof(row -> 'total_pnl') from answer), 'stringstring',
  'and so are confidence and profit');
select is((select row ->> 'name' from answer), 'DUSDT-' || private.unix_ms(now() - interval '4 hours'), 'it has a human name');
select is((select row ->> 'machine' from answer), 'stage-worker', 'and the name of its machine');
select is((select row -> 'analysis_result' ->> 'reason' from answer), 'Momentum with the trend', 'documents stay documents');
select is(pg_temp.as_role('authenticated', pg_temp.eli()::text,
    'select public.query_signals(symbols => ''{CUSDT}'', columns => ''{symbol,machine,initial_price}'') -> ''rows'' -> 0')::jsonb,
  '{"symbol": "CUSDT", "machine": null, "initial_price": "64000.5"}', 'only the columns that were asked for');

-- Errors: 22023 with a message that names what was wrong.
select alike(pg_temp.ask(arguments), '22023 ' || message, 'refused: ' || arguments) from (values
  ('page_size => 0', 'page_size lies between 1 and 1000, not 0'),
  ('page_size => 1001', 'page_size%'),
  ('page_size => null', 'page_size%'),
  ('newest_first => null', 'newest_first%'),
  ('traders => ''{}''', 'traders must be a list of 1 to 1000 values without null'),
  ('symbols => array[null]::text[]', 'symbols must be a list%'),
  ('machines => array(select ''m'' || n from generate_series(1, 1001) n)', 'machines must be a list%'),
  ('any_tags => ''{{a,b},{c,d}}''', 'any_tags must be a list%'),
  ('all_tags => ''{}''', 'all_tags must be a list%'),
  ('statuses => ''{new,nwe}''', 'statuses has no value nwe'),
  ('outcomes => ''{bored}''', 'outcomes has no value bored'),
  ('sources => ''{moon}''', 'sources has no value moon'),
  ('sides => ''{up}''', 'sides has no value up'),
  ('columns => ''{id,password}''', 'columns has no value password'),
  ('columns => ''{}''', 'columns must be a list%'),
  ('min_confidence => 0.7, max_confidence => 0.6', 'a confidence lies between 0 and 1%'),
  ('min_confidence => -1', 'a confidence lies between 0 and 1%'),
  ('search => ''1 2 3 4 5 6 7 8 9''', 'a search takes at most 8 words and 200 letters'),
  ('search => repeat(''x'', 201)', 'a search takes%'),
  ('from_time => ''2026-01-02'', to_time => ''2026-01-01''', 'from_time % is after to_time %'),
  ('from_time => ''-infinity''', 'from_time and to_time must be times')
) wrong (arguments, message);
select throws_ok($$ select public.query_signals(max_confidence => 'NaN') $$, '22023', null, 'a confidence is a number');

select * from finish();
rollback;
