-- An export holds what the filter shows, all of it once, newest first, and counts it beforehand.
begin;
\ir stage.psql
select plan(39);

select date_trunc('day', now(), 'UTC') as midnight \gset
select set_config('test.midnight', :'midnight', false);
-- Some at midnight sharp, in one millisecond, on both sides of it, and some before days that have no partition.
select private.open_partitions((now() at time zone 'UTC')::date - 9, (now() at time zone 'UTC')::date - 9);
create function pg_temp.fire(symbol text, at timestamptz, trader uuid default pg_temp.eli_trader()) returns void language sql as $$
  select pg_temp.ingest(jsonb_build_array(pg_temp.row(trader, symbol) || jsonb_build_object('triggered_at', at)));
$$;
select pg_temp.fire('A' || i, :'midnight'::timestamptz) from generate_series(1, 5) i;
select pg_temp.fire('B' || i, :'midnight'::timestamptz - interval '1 ms') from generate_series(1, 5) i;
select pg_temp.fire('C' || i, :'midnight'::timestamptz - interval '9 days') from generate_series(1, 5) i;
select pg_temp.fire('D1', :'midnight'::timestamptz - interval '1 hour', pg_temp.pia_trader());

-- All pages of an export, as who, with these arguments: the first cell of each row in order.
create function pg_temp.export(who uuid, size integer, arguments text default '') returns text[] language plpgsql as $$
declare
  before uuid;
  page jsonb;
  found text[] := '{}';
  pages integer := 0;
begin
  loop
    page := pg_temp.as_role('authenticated', who::text, format(
      'select to_jsonb(e) from public.export_signals(columns => array[''symbol'', ''initial_price'', ''triggered_at''], page_size => %s, before => %L %s) e',
      size, before, arguments))::jsonb;
    found := found || array(select split_part(l, ',', 1) from regexp_split_to_table(rtrim(page ->> 'body', E'\r\n'), E'\r\n') l where l <> '');
    if (page ->> 'signals')::integer <> regexp_count(page ->> 'body', E'\r\n') then
      raise 'a page of % signals has other lines: %', page ->> 'signals', page ->> 'body';
    end if;
    before := page ->> 'next';
    pages := pages + 1;
    exit when before is null;
    if pages > 100 then
      raise 'the export does not end';
    end if;
  end loop;
  return found;
end;
$$;

select is(array(select unnest(pg_temp.export(pg_temp.eli(), size)) order by 1), array(select c || i from unnest(array['A', 'B', 'C']) c,
  generate_series(1, 5) i order by 1), format('nothing is lost or doubled in pages of %s', size))
from unnest(array[1, 2, 3, 5, 10000]) size;
select is(pg_temp.export(pg_temp.eli(), 4), array(select s.symbol from public.signals s where s.user_id = pg_temp.eli() order by s.id desc),
  'the newest come first');
select is(cardinality(pg_temp.export(pg_temp.eli(), 3, format(', from_time => %L', :'midnight'))), 5, 'from is included');
select is(cardinality(pg_temp.export(pg_temp.eli(), 3, format(', to_time => %L', :'midnight'))), 10, 'to is not');
select is(pg_temp.export(pg_temp.eli(), 3, ', symbols => array[''A3'', ''C2''], statuses => array[''new'']'), array['A3', 'C2'],
  'filters are those of query_signals');
select is(pg_temp.export(pg_temp.pia(), 3), array['D1'], 'everyone takes away their own');
select is(pg_temp.export(pg_temp.stranger(), 3), '{}', 'and a stranger nothing');
select is(pg_temp.as_role('authenticated', pg_temp.eli()::text, 'select public.count_signals()'), '15', 'they are counted beforehand');
select is(pg_temp.as_role('authenticated', pg_temp.eli()::text, format('select public.count_signals(symbols => array[''A3'', ''C2''], to_time => %L)',
  :'midnight')), '1', 'by the same filters');
select is(pg_temp.as_role('authenticated', pg_temp.eli()::text,
  'select body from public.export_signals(columns => array[''initial_price'', ''tags'', ''total_pnl''], page_size => 1)'),
  E'64000.5,,0\r\n', 'a cell has money to the digit and is empty for null');
select is(pg_temp.as_role('authenticated', pg_temp.eli()::text,
  'select body from public.export_signals(columns => array[''symbol'', ''initial_price'', ''tags'', ''trader''], shape => ''ndjson'', symbols => array[''A1''])'),
  E'{"symbol":"A1","initial_price":"64000.5","tags":null,"trader":"Eli''s dips"}\n', 'lines are JSON');
select matches(pg_temp.as_role('authenticated', pg_temp.eli()::text, 'select public.export_signals(columns => array[''password''])'),
  '^22023 columns has no value password', 'a column that is none is named');
select matches(pg_temp.as_role('authenticated', pg_temp.eli()::text,
  'select public.export_signals(columns => array_fill(''symbol''::text, array[1001]))'),
  '^22023 columns must be a list of 1 to 1000', 'and columns are a list that somebody could have written');
select ok(pg_temp.as_role('anon', null, 'select public.export_signals()') like '42501%'
  and pg_temp.as_role('anon', null, 'select public.count_signals()') like '42501%'
  and pg_temp.as_role('signal_worker', 'stage-worker', 'select public.export_signals()') like '42501%',
  'neither an anonymous caller nor a machine takes anything away');

-- Cells: what RFC 4180 wants, nothing that a spreadsheet would run, numbers as they are.
select is(private.csv_cell(cell), written, format('%L is a cell', cell)) from (values
  ('plain', 'plain'), ('', ''), ('ä€𝄞', 'ä€𝄞'), ('with, comma', '"with, comma"'), ('with "q" in', '"with ""q"" in"'),
  (E'two\r\nlines', E'"two\r\nlines"'), (' edge ', '" edge "'), ('=1+1', '''=1+1'),
  ('+cmd|'' /C calc''!A0', '''+cmd|'' /C calc''!A0'), ('-2+3', '''-2+3'), ('@SUM(A1)', '''@SUM(A1)'), (E'\t=1', E'''\t=1'),
  (E'\r=1', E'"''\r=1"'), ('＝1+1', '''＝1+1'), ('--5', '''--5'), ('=HYPERLINK("x","y")', '"''=HYPERLINK(""x"",""y"")"'),
  ('-0.00000000000000000001', '-0.00000000000000000001'), ('+5', '+5'), ('12345678901234567890.123', '12345678901234567890.123')
) c (cell, written);
-- The same through a page, whose short way must let no text by that needs care.
select pg_temp.fire(symbol, :'midnight'::timestamptz - interval '1 hour', pg_temp.pia_trader())
from unnest(array['=1', '-2+3', '@x', ' x', 'x ', 'a,b', 'a"b', '-5', E'a\nb', '＝1', 'A-B']) symbol;
update public.traders set name = '=Pia, "dips" too' where id = pg_temp.pia_trader();
select set_eq(format($$ select l from regexp_split_to_table(%L, E',1m\r\n') l where l <> '' $$,
  pg_temp.as_role('authenticated', pg_temp.pia()::text, 'select body from public.export_signals(columns => array[''symbol'', ''interval''])')),
  (select array_agg(private.csv_cell(s.symbol)) from public.signals s where s.user_id = pg_temp.pia()), 'every text of a page is a cell');
select is(pg_temp.as_role('authenticated', pg_temp.pia()::text, 'select body from public.export_signals(columns => array[''trader''], symbols => array[''D1''])'),
  E'"''=Pia, ""dips"" too"\r\n', 'and so is the name of a trader');

select * from finish();
rollback;
