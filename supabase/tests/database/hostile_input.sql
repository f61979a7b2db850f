-- What a person writes is read by machines that work for everyone: nothing goes in that is too large or of another shape.
begin;
\ir stage.psql
select plan(34);

-- Plain inserts are held to the limits of ingest_signals.
create function pg_temp.insert_signal(symbol text, changes jsonb default '{}') returns text language plpgsql as $$
declare
  fired timestamptz := date_trunc('milliseconds', now() - interval '1 minute');
  item jsonb := jsonb_build_object('id', public.signal_id(pg_temp.ann_trader(), symbol, coalesce(changes ->> 'interval', '1m'), fired),
    'user_id', pg_temp.ann(), 'trader_id', pg_temp.ann_trader(), 'symbol', symbol, 'interval', '1m', 'side', 'long',
    'triggered_at', fired, 'initial_price', 100, 'matched_conditions', '[]'::jsonb) || changes;
begin
  return pg_temp.as_role('authenticated', pg_temp.ann()::text, format(
    'insert into public.signals (id, user_id, trader_id, symbol, normalised_symbol, "interval", side, triggered_at, initial_price,
       matched_conditions, original_signal, tags, source)
     select id, user_id, trader_id, symbol, normalised_symbol, "interval", side, triggered_at, initial_price,
       matched_conditions, original_signal, tags, ''local'' from jsonb_populate_record(null::public.signals, %L) returning 1', item));
end;
$$;
select is(pg_temp.insert_signal('GOOD'), '1', 'a sound signal goes in');
select alike(pg_temp.insert_signal(repeat('Y', 41)), '23514 bad_row: symbol%', 'a symbol is short');
select alike(pg_temp.insert_signal('A|B'), '23514 bad_row: symbol%', 'and has no bar');
select alike(pg_temp.insert_signal('I', '{"interval": "zzz"}'), '23514 bad_row: interval%', 'an interval is one of ours');
select alike(pg_temp.insert_signal('N', jsonb_build_object('normalised_symbol', repeat('N', 61))), '23514 bad_row: normalised_symbol%',
  'a unified symbol is short');
select alike(pg_temp.insert_signal('C', '{"matched_conditions": {}}'), '23514 bad_row: matched_conditions%', 'conditions are an array');
select alike(pg_temp.insert_signal('O', '{"original_signal": "text"}'), '23514 bad_row: original_signal%', 'the original is an object');
select alike(pg_temp.insert_signal('B', jsonb_build_object('original_signal', jsonb_build_object('a', repeat('x', 70000)))),
  '23514 bad_row: % must fit in 64 KB', 'the original is small');
select alike(pg_temp.insert_signal('P', '{"initial_price": 1e30}'), '23514 bad_row: price%', 'a price is a price');
select alike(pg_temp.insert_signal('T', jsonb_build_object('tags', jsonb_build_array(repeat('t', 2001)))), '23514 bad_row: tags%',
  'tags are short');

-- Few bytes that are a hundred thousand digits each for whoever reads them.
select alike(pg_temp.insert_signal('E', '{"matched_conditions": [{"value": 1e131000}]}'), '23514 bad_row: numbers in%', 'a number is short');
select alike(pg_temp.insert_signal('E', '{"original_signal": {"deep": [[-1e131000]]}}'), '23514 bad_row: numbers in%', 'at any depth');
select is(
  (select string_agg(private.json_fits(v)::text, ' ') from jsonb_array_elements('[[1e-200], {"a": [-1e-16000]}, [0, 1e-30, -1e-30]]') v),
  'false false true', 'nor is one of many digits behind its point');
select alike(pg_temp.insert_signal('Z', jsonb_build_object('original_signal', jsonb_build_object('a',
  (select jsonb_agg('0e-16000'::jsonb) from generate_series(1, 100))))), '23514 bad_row: % must fit in 256 KB when written out',
  'and so are many zeros');
select alike(pg_temp.as_role('authenticated', pg_temp.ann()::text, format(
    'insert into public.signals (id, trader_id, symbol, "interval", side, triggered_at, initial_price, original_signal)
     select public.signal_id(%1$L, ''M'', ''1m'', date_trunc(''second'', now())), %1$L, ''M'', ''1m'', ''long'',
       date_trunc(''second'', now()), 1, jsonb_build_object(''a'', jsonb_agg(''1e131000''::jsonb)) from generate_series(1, 9000)',
    pg_temp.ann_trader())), '23514 bad_row: % must fit in 64 KB', 'none is written out to be judged: these would be a gigabyte');
select is(pg_temp.ingest(jsonb_build_array(pg_temp.row(pg_temp.ann_trader(), 'E', '1 minute', '{"matched_conditions": [1e131000]}')),
  'authenticated', pg_temp.ann()::text) #>> '{rejected,0,code}', 'bad_row', 'a batch brings none either');
select is(pg_temp.insert_signal('H', '{"matched_conditions": [{"value": 1.5e-9, "at": 1763733600000, "of": 123456789012345678901234567890}]}'),
  '1', 'what people measure goes in');

-- So are batches, row by row.
select is(pg_temp.ingest(jsonb_build_array(
    pg_temp.row(pg_temp.ann_trader(), 'R0'),
    pg_temp.row(pg_temp.ann_trader(), 'R1', '1 minute', '{"tags": [[[[[[[["deep"]]]]]]]]}'),
    pg_temp.row(pg_temp.ann_trader(), 'R2', '1 minute', jsonb_build_object('tags', jsonb_build_array(repeat('t', 2001)))),
    pg_temp.row(pg_temp.ann_trader(), 'R3', '1 minute', '{"price": "1e-16000"}')))
  #- '{rejected,0,message}' #- '{rejected,1,message}' #- '{rejected,2,message}',
  '{"inserted": 1, "duplicates": 0, "held_back": false, "rejected": [{"code": "bad_row", "index": 1},
    {"code": "bad_row", "index": 2}, {"code": "bad_row", "index": 3}]}'::jsonb, 'the bad rows are named, the good one goes in');

-- Tags are what an owner may change.
select alike(pg_temp.as_role('authenticated', pg_temp.ann()::text, 'update public.signals set tags = array[repeat(''q'', 2001)]'),
  '23514 %"the tags of a signal have at most 2000 letters"', 'tags that are changed stay short');

-- Traders are read by every machine.
create function pg_temp.make_trader(changes jsonb) returns text language sql as $$
  select pg_temp.as_role('authenticated', pg_temp.ann()::text, format(
    'insert into public.traders (user_id, name, symbols, "interval", conditions, strategy, indicators)
     select user_id, name, symbols, "interval", conditions, strategy, indicators
     from jsonb_populate_record(null::public.traders, %L) returning 1',
    jsonb_build_object('user_id', pg_temp.ann(), 'name', 'a', 'symbols', '["B"]'::jsonb, 'interval', '1m', 'conditions', '["a"]'::jsonb,
      'strategy', '', 'indicators', '[]'::jsonb) || changes));
$$;
select is(pg_temp.make_trader('{}'), '1', 'a sound trader is made');
select alike(pg_temp.make_trader('{"symbols": [""]}'), '23514 %"a trader watches 1 to 500 symbols"', 'a symbol has a name');
select alike(pg_temp.make_trader(jsonb_build_object('symbols', jsonb_build_array(repeat('B', 20001)))),
  '23514 %"the symbols of a trader have at most 20000 letters"', 'symbols are short');
select alike(pg_temp.make_trader(jsonb_build_object('strategy', repeat('s', 20001))), '23514 %"a strategy has at most 20000 letters"',
  'a strategy is a text of a few pages');
select alike(pg_temp.make_trader(jsonb_build_object('indicators', jsonb_build_array(repeat('x', 65536)))),
  '23514 %"the indicators of a trader fit in 64 KB"', 'indicators are small');

-- A stolen token of one machine that guesses the fences of another.
select pg_temp.make_signal(pg_temp.eli_trader(), 'GUESS') as guessed \gset
select pg_temp.claim('analysis') as held \gset
select is(pg_temp.tell('complete_analysis', pg_temp.each(:'held', pg_temp.approved()), 'stage-analyst-2') #>> '{refused,0,code}',
  'lease_lost', 'another machine''s lease is not completed, whatever the fence');
select is(pg_temp.as_role('analyst', 'stage-analyst-2', format('select public.release_work(''analysis'', %L)', :'held'))::jsonb -> 'released',
  '0', 'nor given back');
select is(pg_temp.tell('expire_signals', pg_temp.each(:'held', '{"outcome_code": "signal_stale"}'), 'stage-analyst-2') #>> '{refused,0,code}',
  'lease_lost', 'nor its signal given up');
select is((pg_temp.tell('complete_analysis', pg_temp.each(:'held', pg_temp.approved())) ->> 'done')::integer, jsonb_array_length(:'held'),
  'the holder''s result counts');

-- A machine whose clock is no clock.
select pg_temp.make_signal(pg_temp.eli_trader(), 'CLOCK') as timeless \gset
select is(pg_temp.as_role('analyst', 'stage-analyst', 'select count(*) from public.claim_work(''analysis'', 10, 30, ''infinity'')'),
  '22023 at must be a time, not infinity', 'no claim has an endless time');
select is(pg_temp.status_of(:'timeless'), 'new', 'and takes nothing');
select is(pg_temp.as_role('analyst', 'stage-analyst', format('select public.%I(''[]'', ''-infinity'')', name)),
  '22023 at must be a time, not -infinity', name || ' has a time')
from unnest(array['complete_analysis', 'fail_analysis', 'record_monitoring', 'expire_signals']) name;

select * from finish();
rollback;
