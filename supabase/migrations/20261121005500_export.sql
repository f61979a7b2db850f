-- Taking signals away: the same filters as query_signals, in large pages made for files, and how many there will be.
-- The newest come first, so that what arrives meanwhile is not among them and the export ends.

-- Functions: the way back in time -------------------------------------------------------------------------

-- The next slice of time to look at below `seen`, within one open day and at most so many seconds long: ids between
-- far and near. Null when nothing above `last` is left.
create function private.older_slice(seen uuid, last uuid, width integer, out near uuid, out far uuid)
language plpgsql stable
set search_path = ''
as $$
declare
  -- A signal that fired at midnight sharp may have others of its day below it; midnight itself has none.
  day date := private.next_day(
    public.signal_time(seen)
      + case when seen = public.signal_id_floor(public.signal_time(seen)) then interval '0' else '1 ms' end,
    true);
begin
  near := least(seen, public.signal_id_floor((day + 1)::timestamp at time zone 'UTC'));
  if day is null or near <= last then
    near := null;
    return;
  end if;
  far := greatest(last, public.signal_id_floor(greatest(
    public.signal_time(near) - make_interval(secs => width), day::timestamp at time zone 'UTC', 'epoch')));
end;
$$;

-- Functions: what is written ------------------------------------------------------------------------------

-- A text as a cell of CSV as RFC 4180 has it. Spreadsheets take a cell that begins like a formula for one, and run it:
-- such text gets an apostrophe in front. Numbers are no formulas and stay as they are.
create function private.csv_cell(cell text) returns text
language plpgsql immutable strict parallel safe
set search_path = ''
as $$
begin
  if cell ~ E'^[-=+@\t\r\n\uff1d\uff0b\uff0d\uff20]' and cell !~ '^[-+]?[0-9]+([.][0-9]+)?$' then
    cell := '''' || cell;
  end if;
  if cell ~ E'[",\r\n]|^\\s|\\s$' then
    return '"' || replace(cell, '"', '""') || '"';
  end if;
  return cell;
end;
$$;

-- How a column becomes a cell of CSV: an expression over a row p of the page, whose p.odd says whether a text of it needs
-- more care than most, and the cells of traders and machines; null is an empty cell. JSON holds quotes, and times come as
-- JSON has them: both are cells in quotes.
create function private.csv_column(name text) returns text
language plpgsql immutable
set search_path = ''
as $$
begin
  return case
    when name in ('symbol', 'normalised_symbol', 'interval', 'outcome_code')
      then format('case when p.odd then private.csv_cell(p.%1$I) else p.%1$I end', name)
    when name = 'name' then format('case when p.odd then private.csv_cell(%1$s) else %1$s end',
      'p.symbol || ''-'' || floor(extract(epoch from p.triggered_at) * 1000)::bigint')
    when name in ('trader', 'machine') then format('(select n.by_id from %1$ss n) ->> p.%1$s_id::text', name)
    when name = 'tags' then $sql$'"' || replace(to_json(p.tags)::text, '"', '""') || '"'$sql$
    when name in ('matched_conditions', 'original_signal', 'analysis_result', 'analysis_trade_plan')
      then format($sql$'"' || replace(p.%I::text, '"', '""') || '"'$sql$, name)
    when name like '%\_at' then format('to_json(p.%I)', name)
    when name in ('has_active_orders', 'has_open_position') then format('p.%I::text', name)
    else format('p.%I', name)
  end;
end;
$$;

-- The columns as an expression for a line of a file, its end included. Refuses a name that is no column.
create function private.export_line(columns text[], shape text) returns text
language plpgsql immutable
set search_path = ''
as $$
declare
  cells text[] := array[]::text[];
  name text;
  -- It refuses what is no column, whatever the shape.
  object constant text := private.signal_object(columns, '{trader,machine}');
begin
  if shape = 'ndjson' then
    return object || $sql$ || E'\n'$sql$;
  end if;
  foreach name in array columns loop
    cells := cells || private.csv_column(name);
  end loop;
  -- A function takes at most 100 arguments.
  return (
    select string_agg(format('concat(%s)', array_to_string(cells[n : n + 39], $sql$, ',', $sql$)), $sql$ || ',' || $sql$ order by n)
    from generate_series(1, cardinality(cells), 40) n
  ) || $sql$ || E'\r\n'$sql$;
end;
$$;

-- The interface -------------------------------------------------------------------------------------------

-- One page of an export: its text, how many signals it holds, and where the next page begins: send next as `before`, and
-- every filter again, until it is null. A page may be short, even empty, before the end. shape 'csv' is a line a signal
-- without the names of the columns, 'ndjson' a JSON object a line.
create function public.export_signals(
  traders uuid[] default null,
  symbols text[] default null,
  statuses text[] default null,
  outcomes text[] default null,
  sources text[] default null,
  machines text[] default null,
  sides text[] default null,
  any_tags text[] default null,
  all_tags text[] default null,
  from_time timestamptz default null,
  to_time timestamptz default null,
  min_confidence numeric default null,
  max_confidence numeric default null,
  search text default null,
  columns text[] default array['id', 'symbol', 'triggered_at', 'status'],
  shape text default 'csv',
  page_size integer default 5000,
  before uuid default null
)
returns table (body text, signals integer, next uuid)
language plpgsql stable
rows 1
set search_path = ''
set jit = off
set max_parallel_workers_per_gather = 0
-- A page is kept while its traders and machines are looked up.
set work_mem = '32MB'
-- A walk along the index from where the last page ended; sorting would take up the whole day for each page of it.
set enable_sort = off
set enable_bitmapscan = off
set constraint_exclusion = off
as $$
declare
  began constant timestamptz := clock_timestamp();
  budget constant interval := interval '1 second';
  statement text;
  seen uuid := coalesce(before,
    public.signal_id_floor(least(greatest(coalesce(to_time, began + interval '1 day'), 'epoch'), '9999-12-31Z')));
  last constant uuid := public.signal_id_floor(least(greatest(coalesce(from_time, 'epoch'), 'epoch'), '9999-12-31Z'));
  slice record;
  slice_body text;
  slice_count integer;
  slice_last uuid;
  width integer;
begin
  perform private.check_query(traders, symbols, statuses, outcomes, sources, machines, sides, any_tags, all_tags,
    from_time, to_time, min_confidence, max_confidence, search, true, 1, columns);
  if shape is null or shape not in ('csv', 'ndjson') then
    raise exception 'shape is csv or ndjson, not %', coalesce(shape, '(null)') using errcode = 'invalid_parameter_value';
  end if;
  if page_size is null or page_size not between 1 and 10000 then
    raise exception 'page_size lies between 1 and 10000, not %', coalesce(page_size::text, '(null)')
      using errcode = 'invalid_parameter_value';
  end if;
  if columns is null then
    raise exception 'columns must name at least one' using errcode = 'invalid_parameter_value';
  end if;
  width := case when search is null then 86400 else 3600 end;
  -- In the order of the page: nothing after it sorts or joins.
  statement := format($sql$
    with page as materialized (
      select s.*, concat_ws(' ', '', s.symbol, s.normalised_symbol, s."interval", s.outcome_code, '')
        ~ '[^A-Za-z0-9/:._ -]|  | -' as odd
      from public.signals s where s.id > $1 and s.id < $2 %s %s order by s.id desc limit $3
    ), traders as materialized (
      select jsonb_object_agg(t.id, %s) as by_id from public.traders t
      where t.id = any (array(select distinct w.trader_id from page w))
    ), machines as materialized (
      select jsonb_object_agg(m.id, %s) as by_id from private.machine_names(
        array(select distinct w.machine_id from page w where w.machine_id is not null)) m
    )
    select string_agg(d.line, ''), count(*), (array_agg(d.id))[$3] from (select p.id, %s as line from page p) d$sql$,
    case when traders is not null then format('and s.trader_id = any (%L)', traders) end,
    private.filter_conditions(symbols, statuses, outcomes, sources, machines, sides, any_tags, all_tags,
      min_confidence, max_confidence, nullif(trim(search), '')),
    case shape when 'csv' then 'private.csv_cell(t.name)' else 't.name' end,
    case shape when 'csv' then 'private.csv_cell(m.machine_id)' else 'm.machine_id' end,
    private.export_line(columns, shape));

  body := '';
  signals := 0;
  while seen > last and clock_timestamp() < began + budget loop
    select o.near, o.far into slice from private.older_slice(seen, last, width) o;
    if slice.near is null then
      seen := last;
      exit;
    end if;
    execute statement into slice_body, slice_count, slice_last using slice.far, slice.near, page_size - signals;
    -- A page is large, and most come from one slice: it is not copied once more.
    body := case when body = '' then coalesce(slice_body, '') else concat(body, slice_body) end;
    signals := signals + slice_count;
    seen := coalesce(slice_last, slice.far);
    exit when slice_last is not null;
  end loop;
  next := case when seen > last then seen end;
  return next;
end;
$$;

-- How many signals an export with these filters will hold, as far as anyone can say before; null when counting takes
-- longer than two seconds.
create function public.count_signals(
  traders uuid[] default null,
  symbols text[] default null,
  statuses text[] default null,
  outcomes text[] default null,
  sources text[] default null,
  machines text[] default null,
  sides text[] default null,
  any_tags text[] default null,
  all_tags text[] default null,
  from_time timestamptz default null,
  to_time timestamptz default null,
  min_confidence numeric default null,
  max_confidence numeric default null,
  search text default null
) returns bigint
language plpgsql stable
set search_path = ''
set jit = off
set max_parallel_workers_per_gather = 0
-- Most is counted in the index alone; and of whose rows there are many is not known when the plan is made.
set enable_bitmapscan = off
set constraint_exclusion = off
as $$
declare
  began constant timestamptz := clock_timestamp();
  budget constant interval := interval '2 seconds';
  statement text;
  seen uuid := public.signal_id_floor(
    least(greatest(coalesce(to_time, began + interval '1 day'), 'epoch'), '9999-12-31Z'));
  last constant uuid := public.signal_id_floor(least(greatest(coalesce(from_time, 'epoch'), 'epoch'), '9999-12-31Z'));
  slice record;
  width integer;
  found_count bigint;
  total bigint := 0;
begin
  perform private.check_query(traders, symbols, statuses, outcomes, sources, machines, sides, any_tags, all_tags,
    from_time, to_time, min_confidence, max_confidence, search, true, 1);
  width := case when search is null then 86400 else 3600 end;
  statement := format('select count(*) from public.signals s where s.id > $1 and s.id < $2 %s %s',
    case when traders is not null then format('and s.trader_id = any (%L)', traders) end,
    private.filter_conditions(symbols, statuses, outcomes, sources, machines, sides, any_tags, all_tags,
      min_confidence, max_confidence, nullif(trim(search), '')));
  while seen > last loop
    if clock_timestamp() > began + budget then
      return null;
    end if;
    select o.near, o.far into slice from private.older_slice(seen, last, width) o;
    exit when slice.near is null;
    execute statement into found_count using slice.far, slice.near;
    total := total + found_count;
    seen := slice.far;
  end loop;
  return total;
end;
$$;

-- Grants --------------------------------------------------------------------------------------------------

grant execute on function
  public.export_signals(uuid[], text[], text[], text[], text[], text[], text[], text[], text[], timestamptz, timestamptz,
    numeric, numeric, text, text[], text, integer, uuid),
  public.count_signals(uuid[], text[], text[], text[], text[], text[], text[], text[], text[], timestamptz, timestamptz,
    numeric, numeric, text),
  private.older_slice(uuid, uuid, integer), private.csv_cell(text), private.csv_column(text),
  private.export_line(text[], text)
  to authenticated;
