-- One bad row never fails a batch: each is answered with its place, a code and a message, and the others go in.
begin;
\ir stage.psql
select plan(34);

-- 'code: message' of the only row of a batch, null when it went in.
create function pg_temp.verdict(item jsonb, role_name text default 'signal_worker', who text default 'stage-worker')
returns text language sql as $$
  select (a -> 'rejected' -> 0 ->> 'code') || ': ' || (a -> 'rejected' -> 0 ->> 'message')
  from (select pg_temp.ingest(jsonb_build_array(item), role_name, who) a) answer;
$$;
create function pg_temp.odd(more jsonb) returns text language sql as $$
  select pg_temp.verdict(pg_temp.row(pg_temp.ann_trader(), 'BTCUSDT', '1 minute', more));
$$;

select is(pg_temp.odd('{"symbol": "GOODUSDT"}'), null, 'a sound row goes in');
select is(pg_temp.odd('{"trader_id": null}'), 'bad_row: trader_id is missing', 'no trader');
select alike(pg_temp.odd('{"trader_id": "me"}'), 'bad_row: trader_id: invalid input syntax%', 'a trader that is no uuid');
select is(pg_temp.odd('{"symbol": null}'), 'bad_row: symbol is missing', 'no symbol');
select is(pg_temp.odd('{"symbol": ""}'), 'bad_row: symbol must have 1 to 40 letters and no |', 'an empty symbol');
select is(pg_temp.odd('{"symbol": "A|B"}'), 'bad_row: symbol must have 1 to 40 letters and no |',
  'a symbol that would blur the identity');
select is(pg_temp.odd('{"interval": "7m"}'), 'bad_row: interval must be 1m, 3m, 5m, 15m, 30m, 1h, 4h or 1d', 'an odd interval');
select is(pg_temp.odd('{"interval": null}'), 'bad_row: interval is missing', 'no interval');
select is(pg_temp.odd('{"triggered_at": null}'), 'bad_row: triggered_at is missing', 'no time');
select alike(pg_temp.odd('{"triggered_at": "yesterday at noon"}'), 'bad_row: triggered_at: %', 'no real time');
select alike(pg_temp.odd('{"triggered_at": "infinity"}'), 'bad_row: triggered_at: %', 'an endless time');
select alike(pg_temp.odd('{"triggered_at": {"a": 1}}'), 'bad_row: triggered_at: %', 'an object for a time');
select is(pg_temp.odd('{"triggered_at": -5}'), 'outside_partitions: a signal fires after 1970', 'a time before time');
select is(pg_temp.odd('{"triggered_at": 99999999999999999}'), 'outside_partitions: the year 9999 is the last',
  'a time after the last');
select is(pg_temp.odd('{"side": "up"}'), 'bad_row: side must be long or short', 'an unknown side');
select is(pg_temp.odd('{"side": null}'), 'bad_row: side is missing', 'no side');
select is(pg_temp.odd('{"price": 0}'), 'bad_row: price must be above zero and finite', 'a price of zero');
select is(pg_temp.odd('{"price": "NaN"}'), 'bad_row: price must be above zero and finite', 'a price that is no number');
select is(pg_temp.odd('{"price": "-1"}'), 'bad_row: price must be above zero and finite', 'a negative price');
select is(pg_temp.odd('{"price": "Infinity"}'), 'bad_row: price must be above zero and finite', 'an endless price');
select alike(pg_temp.odd('{"price": "cheap"}'), 'bad_row: price: invalid input syntax%', 'a price in words');
select is(pg_temp.odd('{"matched_conditions": {}}'), 'bad_row: matched_conditions must be an array', 'conditions in an object');
select is(pg_temp.odd('{"original_signal": []}'), 'bad_row: original_signal must be an object', 'an array for the original');
select is(pg_temp.odd(jsonb_build_object('original_signal', jsonb_build_object('noise',
    (select jsonb_agg(md5(n::text)) from generate_series(1, 4000) n)))),
  'bad_row: matched_conditions and original_signal must fit in 64 KB', 'a huge original');
select alike(pg_temp.odd('{"tags": "fast"}'), 'bad_row: tags: %', 'tags that are no array');
select alike(pg_temp.odd('{"id": "00000000-0000-8000-8000-000000000000"}'), 'bad_id: this signal''s id is %', 'another id');
select is(pg_temp.verdict(pg_temp.row('00000000-0000-4000-8000-00000000dead')),
  'unknown_trader: there is no trader 00000000-0000-4000-8000-00000000dead', 'an unknown trader');
select alike(pg_temp.verdict(pg_temp.row(pg_temp.ann_trader(), 'BTCUSDT', '-2 minutes')), 'in_future: %60 s ahead%',
  'a time in the future');
select alike(pg_temp.verdict(pg_temp.row(pg_temp.ann_trader(), 'BTCUSDT', '900 days')), 'outside_partitions: % is not open',
  'a day that is not open');
select alike(pg_temp.verdict(pg_temp.row(pg_temp.ann_trader()), 'authenticated', pg_temp.stranger()::text),
  'not_your_trader: %', 'a stranger''s trader');
select alike(pg_temp.verdict(pg_temp.row(pg_temp.ann_trader()), 'signal_worker', 'nobody-knows'), 'unknown_machine: %',
  'an unknown machine');
select alike(pg_temp.odd('{"machine_id": "stage-bridge"}'), 'unknown_machine: the token is of machine stage-worker%',
  'another machine''s name');

update public.traders set status = 'paused' where id = pg_temp.pia_trader();
select alike(pg_temp.verdict(pg_temp.row(pg_temp.pia_trader())), 'trader_inactive: % is paused', 'a paused trader');

-- All of it at once, around sound rows.
select is(
  (select jsonb_build_object('inserted', a -> 'inserted', 'duplicates', a -> 'duplicates',
     'codes', (select jsonb_agg(r -> 'code' order by r -> 'index') from jsonb_array_elements(a -> 'rejected') r),
     'places', (select jsonb_agg(r -> 'index' order by r -> 'index') from jsonb_array_elements(a -> 'rejected') r))
   from (select pg_temp.ingest(jsonb_build_array(
     pg_temp.row(pg_temp.ann_trader(), 'AUSDT'), '"text"'::jsonb, pg_temp.row(pg_temp.ann_trader(), 'BUSDT'), 'null'::jsonb,
     pg_temp.row(pg_temp.ann_trader(), 'CUSDT', '1 minute', '{"price": "x"}'),
     pg_temp.row(pg_temp.ann_trader(), 'AUSDT'), pg_temp.row(pg_temp.ann_trader(), 'DUSDT', '1 minute', '{"side": "up"}')
   )) a) answer),
  '{"inserted": 2, "duplicates": 1, "codes": ["bad_row", "bad_row", "bad_row", "bad_row"], "places": [1, 3, 4, 6]}',
  'bad rows leave the others alone');

select * from finish();
rollback;
