-- Pages: exact while rows arrive, change and late ones come in; a cursor that is wrong or belongs elsewhere is refused.
begin;
\ir stage.psql
select plan(34);

create function pg_temp.page(arguments text, who uuid default pg_temp.eli()) returns jsonb language sql as $$
  select pg_temp.as_role('authenticated', who::text, format('select public.query_signals(%s)', arguments))::jsonb;
$$;
create function pg_temp.symbols(page jsonb) returns text language sql as $$
  select coalesce(string_agg(r ->> 'symbol', ' ' order by n), '') from jsonb_array_elements(page -> 'rows') with ordinality e (r, n);
$$;
-- Reads on from a page to the end: the symbols in order.
create function pg_temp.rest(page jsonb, arguments text) returns text language plpgsql as $$
declare
  found text := '';
  steps integer := 0;
begin
  while page ->> 'next_cursor' is not null loop
    steps := steps + 1;
    if steps > 500 then
      return 'does not end';
    end if;
    page := pg_temp.page(concat_ws(', ', nullif(arguments, ''), format('cursor => %L', page ->> 'next_cursor')));
    found := concat_ws(' ', nullif(found, ''), nullif(pg_temp.symbols(page), ''));
  end loop;
  return found;
end;
$$;

-- Six signals at three times: two share each.
select pg_temp.ingest((select jsonb_agg(pg_temp.row(pg_temp.eli_trader(), 'S' || i, make_interval(hours => 1 + i / 2)))
  from generate_series(0, 5) i)) \g /dev/null
create temporary table truth as
select row_number() over (order by s.id desc) as n, s.symbol, s.id from public.signals s where s.user_id = pg_temp.eli();
create function pg_temp.true_symbols(from_n integer, to_n integer) returns text language sql as $$
  select string_agg(symbol, ' ' order by n) from truth where n between from_n and to_n;
$$;

-- Newest first.
select pg_temp.page('page_size => 3') as page \gset
select is(pg_temp.symbols(:'page'), pg_temp.true_symbols(1, 3), 'a page ends between two signals of the same time');
select matches(:'page'::jsonb ->> 'next_cursor', '^[A-Za-z0-9_-]{56}$', 'its cursor is URL-safe text');
select is((:'page'::jsonb ->> 'looked_until')::timestamptz, (select public.signal_time(id) from truth where n = 3),
  'and everything down to its last row was looked at');
select is(pg_temp.rest(:'page', 'page_size => 3'), pg_temp.true_symbols(4, 6), 'the next begins after it');
select is(pg_temp.rest(:'page', 'page_size => 1'), pg_temp.true_symbols(4, 6), 'with another size of page');
select is(pg_temp.rest(:'page', 'columns => ''{symbol}'''), pg_temp.true_symbols(4, 6), 'and with other columns');

-- A full page that is the last one.
select pg_temp.page('page_size => 6, from_time => now() - interval ''1 day''') as page \gset
select is(pg_temp.rest(:'page', 'page_size => 6, from_time => now() - interval ''1 day'''), '', 'after a full last page there is nothing more');
select is(pg_temp.page('page_size => 7') ->> 'next_cursor', null, 'a page with room left at the end has no cursor');

-- Between two ids: how a list that is shown in part goes on from its ends.
create function pg_temp.id(n integer) returns uuid language sql as $$ select id from truth t where t.n = id.n; $$;
select is(pg_temp.symbols(pg_temp.page(format('before_id => %L, page_size => 3', pg_temp.id(3)))), pg_temp.true_symbols(4, 6),
  'on from a row towards the older, one of the same time included');
select is(pg_temp.symbols(pg_temp.page(format('after_id => %L, newest_first => false, page_size => 1', pg_temp.id(4)))),
  pg_temp.true_symbols(3, 3), 'and back towards the newer');
select pg_temp.page(format('after_id => %L, before_id => %L, page_size => 1', pg_temp.id(6), pg_temp.id(2))) as page \gset
select is(pg_temp.symbols(:'page') || ' ' || pg_temp.rest(:'page', format('after_id => %L, before_id => %L', pg_temp.id(6), pg_temp.id(2))),
  pg_temp.true_symbols(3, 5), 'between two of them, page by page');
select alike(pg_temp.as_role('authenticated', pg_temp.eli()::text, format('select public.query_signals(cursor => %L)', :'page'::jsonb ->> 'next_cursor')),
  '22023%', 'with a cursor of its own');
select is(pg_temp.page(format('after_id => %L, before_id => %L', pg_temp.id(1), pg_temp.id(6))) -> 'rows', '[]', 'bounds the wrong way round hold nothing');

-- What arrives meanwhile.
select pg_temp.page('page_size => 2') as page \gset
select pg_temp.page('page_size => 2, newest_first => false') as old_page \gset
select pg_temp.ingest(jsonb_build_array(pg_temp.row(pg_temp.eli_trader(), 'NEW', '1 second'))) \g /dev/null
select is(pg_temp.rest(:'page', 'page_size => 2'), pg_temp.true_symbols(3, 6), 'what fires later is not in the pages of the newest first');
select pg_temp.ingest(jsonb_build_array(pg_temp.row(pg_temp.eli_trader(), 'LATE', '150 minutes'))) \g /dev/null
select alike(pg_temp.rest(:'page', 'page_size => 2'), '%LATE%', 'what comes late into a part not yet read is shown');
select is(replace(pg_temp.rest(:'page', 'page_size => 2'), ' LATE', ''), pg_temp.true_symbols(3, 6), 'and moves nothing else');
select is(replace(replace(pg_temp.rest(:'old_page', 'page_size => 2, newest_first => false'), 'LATE ', ''), ' NEW', ''),
  (select string_agg(symbol, ' ' order by n desc) from truth where n <= 4), 'nor with the oldest first');

-- What changes meanwhile.
select pg_temp.page('page_size => 2, statuses => ''{new}''') as page \gset
update public.signals set status = 'expired', outcome_code = 'signal_stale'
where id in (select id from truth where n in (1, 2, 5));
select is(pg_temp.symbols(pg_temp.page('page_size => 10, statuses => ''{expired}''')),
  concat_ws(' ', pg_temp.true_symbols(1, 2), pg_temp.true_symbols(5, 5)), 'a changed signal is where its time is');
select is(pg_temp.rest(:'page', 'page_size => 2, statuses => ''{new}'''),
  (select string_agg(symbol, ' ' order by id desc) from public.signals
    where user_id = pg_temp.eli() and status = 'new' and id < (select id from truth where n = 1)),
  'what still passes the filter is read once, wherever the changes were');

-- The far end stays where it was at the first page.
select pg_temp.page('page_size => 1, newest_first => false') as page \gset
select is(pg_temp.rest(pg_temp.page('page_size => 1, newest_first => false'), 'newest_first => false'),
  (select string_agg(symbol, ' ' order by id) from (select * from public.signals where user_id = pg_temp.eli() order by id offset 1) s),
  'the oldest first ends at the moment of the first page');

-- Cursors that are none.
select throws_ok(format('select public.query_signals(cursor => %L)', wrong), '22023', 'the cursor is none that query_signals gave',
  'refused: ' || left(wrong, 20))
from (values (''), ('x'), (repeat('A', 56)), (repeat('/', 56)), ('AW4' || repeat('A', 54)), ('Ž' || repeat('A', 55))) w (wrong);
select pg_temp.page('page_size => 2, symbols => ''{S0,S1,S2,S3}''') ->> 'next_cursor' as cursor \gset
select isnt(:'cursor', ''::text, 'there is a cursor');
select throws_ok(format('select public.query_signals(cursor => %L%s)', :'cursor', other), '22023',
  'the cursor belongs to a question with other filters or another order', 'refused' || other)
from (values (''), (', symbols => ''{S0}'''), (', symbols => ''{S0,S1,S2,S3}'', newest_first => false'),
  (', symbols => ''{S0,S1,S2,S3}'', to_time => now()')) o (other);
select is(pg_temp.page(format('cursor => %L, symbols => ''{S0,S1,S2,S3}''', :'cursor'), pg_temp.pia()) -> 'rows', '[]',
  'another user''s cursor shows them nothing of it');
select set_config('TimeZone', 'Asia/Tokyo', true) \g /dev/null
select pg_temp.page('page_size => 1, to_time => now()') ->> 'next_cursor' as cursor \gset
select set_config('TimeZone', 'America/New_York', true) \g /dev/null
select is(jsonb_array_length(pg_temp.page(format('page_size => 1, to_time => now(), cursor => %L', :'cursor')) -> 'rows'), 1,
  'a cursor knows no time zone');

-- What lies days apart is found in several looks and stands in one page.
select private.open_partitions((now() at time zone 'UTC')::date - 9, (now() at time zone 'UTC')::date - 9) \g /dev/null
select pg_temp.ingest(jsonb_build_array(pg_temp.row(pg_temp.eli_trader(), 'OLD', '9 days'), pg_temp.row(pg_temp.eli_trader(), 'OLDER', '9 days 1 s'))) \g /dev/null
select pg_temp.page('') as page \gset
select is(concat_ws(' ', pg_temp.symbols(:'page'), nullif(pg_temp.rest(:'page', ''), '')),
  (select string_agg(s.symbol, ' ' order by s.id desc) from public.signals s where s.user_id = pg_temp.eli()), 'days apart, but in order');

select * from finish();
rollback;
