-- Times: bounds in any time zone, over changes of the clocks, over days that are empty, closed or far away.
begin;
\ir stage.psql
select plan(22);

-- Recorded days: around the change to summer time in Berlin on 2025-03-30 and back on 2025-10-26.
select private.open_partitions('2025-03-29', '2025-03-31'), private.open_partitions('2025-10-25', '2025-10-27') \g /dev/null
create function pg_temp.fire(symbol text, at timestamptz) returns void language plpgsql as $$
declare
  answer jsonb := pg_temp.ingest(jsonb_build_array(pg_temp.row(pg_temp.eli_trader(), symbol, '0', jsonb_build_object('triggered_at', at))));
begin
  if answer -> 'inserted' is distinct from '1' then
    raise exception '%', answer;
  end if;
end;
$$;
select pg_temp.fire(symbol, at::timestamptz) from (values
  ('M1', '2025-03-29 23:00:00Z'), -- midnight in Berlin
  ('M2', '2025-03-30 00:59:59.999Z'), ('M3', '2025-03-30 01:00:00Z'), ('M4', '2025-03-30 21:59:59.999Z'),
  ('M5', '2025-03-30 22:00:00Z'), -- the next midnight, 23 hours later
  ('O1', '2025-10-25 22:00:00Z'), ('O2', '2025-10-26 00:30:00Z'), ('O3', '2025-10-26 01:30:00Z'),
  ('O4', '2025-10-26 22:59:59.999Z'), ('O5', '2025-10-26 23:00:00Z')
) v (symbol, at) \g /dev/null
select pg_temp.fire('NOW', date_trunc('milliseconds', now())) \g /dev/null

create function pg_temp.ask(arguments text, zone text default 'UTC') returns text language plpgsql as $$
declare
  answer text;
  found text := '';
  next text;
begin
  perform set_config('TimeZone', zone, true);
  loop
    answer := pg_temp.as_role('authenticated', pg_temp.eli()::text, format('select public.query_signals(%s)',
      concat_ws(', ', nullif(arguments, ''), 'cursor => ' || quote_literal(next))));
    if answer !~ '^{' then
      return answer;
    end if;
    found := concat_ws(' ', nullif(found, ''), (select string_agg(r ->> 'symbol', ' ' order by n)
      from json_array_elements(answer::json -> 'rows') with ordinality e (r, n)));
    next := answer::json ->> 'next_cursor';
    exit when next is null;
  end loop;
  perform set_config('TimeZone', 'UTC', true);
  return found;
end;
$$;

select is(pg_temp.ask(''), 'NOW O5 O4 O3 O2 O1 M5 M4 M3 M2 M1', 'all days, over months without one');
select is(pg_temp.ask('newest_first => false'), 'M1 M2 M3 M4 M5 O1 O2 O3 O4 O5 NOW', 'both ways');
select is(pg_temp.ask('newest_first => false, statuses => ''{new}'', page_size => 2'), 'M1 M2 M3 M4 M5 O1 O2 O3 O4 O5 NOW',
  'in short steps and short pages too');
select is(pg_temp.ask('statuses => ''{new}'', page_size => 2'), 'NOW O5 O4 O3 O2 O1 M5 M4 M3 M2 M1', 'also back');

select is(pg_temp.ask('from_time => ''2025-03-30'', to_time => ''2025-03-31''', 'Europe/Berlin'), 'M4 M3 M2 M1',
  'a day of 23 hours in the zone of the session');
select is(pg_temp.ask('from_time => ''2025-10-26'', to_time => ''2025-10-27''', 'Europe/Berlin'), 'O4 O3 O2 O1', 'and one of 25');
select is(pg_temp.ask('from_time => ''2025-03-30'', to_time => ''2025-03-31'''), 'M5 M4 M3 M2', 'the same dates in UTC');
select is(pg_temp.ask('from_time => ''2025-10-26 02:30+02:00'', to_time => ''2025-10-26 02:30+01:00'''), 'O2',
  'the hour that comes twice, by its offset');
select is(pg_temp.ask('from_time => ''2025-03-30 02:30'', to_time => ''2025-03-30 04:00''', 'Europe/Berlin'), '',
  'the hour that there is not begins when it would have ended');
select is(pg_temp.ask('from_time => ''2025-03-30 01:00Z'', to_time => ''2025-03-30 01:00:00.001Z'''), 'M3', 'from_time is included');
select is(pg_temp.ask('from_time => ''2025-03-30 00:00Z'', to_time => ''2025-03-30 01:00Z'''), 'M2', 'to_time is not');
select is(pg_temp.ask('from_time => ''2025-03-30 01:00Z'', to_time => ''2025-03-30 01:00Z'''), '', 'no time at all');
select is(pg_temp.ask('to_time => ''2025-10-25 22:00Z'''), 'M5 M4 M3 M2 M1', 'only an end');
select is(pg_temp.ask('from_time => ''2025-10-26 01:30Z'''), 'NOW O5 O4 O3', 'only a beginning');
select is(pg_temp.ask('from_time => ''2025-03-31 00:00Z'', to_time => ''2025-10-25 00:00Z'''), '', 'days that were never opened');
select is(pg_temp.ask('from_time => ''2025-03-31 00:00Z'', to_time => ''2025-04-01 00:00Z'''), '', 'a day that is empty');
select is(pg_temp.ask('from_time => ''1900-01-01'', to_time => ''2025-03-30'''), 'M1', 'since before there were computers');
select is(pg_temp.ask('from_time => ''2025-10-26 23:00Z'', to_time => ''290000-01-01'''), 'NOW O5', 'until after there are people');
select is(pg_temp.ask('from_time => ''200000-01-01'''), '', 'from then on');
select is(pg_temp.ask('to_time => ''1900-01-01'''), '', 'or up to then');

-- So do the functions that count.
select is(pg_temp.as_role('authenticated', pg_temp.eli()::text, format(
  'select signals from public.trader_performance(%L, ''1900-01-01'', ''20000-01-01'')', pg_temp.eli_trader())), '11',
  'a range that no id could hold holds all');

-- A day that no client sees the book of.
select alike(pg_temp.as_role('authenticated', pg_temp.eli()::text, 'select * from private.partition_days'), '42501%',
  'which days are open is nobody''s to read');

select * from finish();
rollback;
