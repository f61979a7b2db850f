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

-- How a column is made of a row p of the page, its trader t and machine m: as text for a cell, or as it is for a line of
-- JSON. Refuses a name that is no column.
create function private.export_column(name text, shape text) returns text
language plpgsql immutable
set search_path = ''
as $$
declare
  made text := case name when 'trader' then 't.name as trader' else private.signal_column(name) end;
begin
  if made is null then
    raise exception 'columns has no value %', coalesce(name, '(null)')
      using errcode = 'invalid_parameter_value', hint = 'use columns of signals, name, trader or machine';
  end if;
  if shape = 'lines' then
    return made;
  end if;
  return case
    when name like '%\_at' then format('to_json(p.%I) #>> ''{}''', name)
    when name = 'tags' then 'array_to_json(p.tags)::text'
    when name in ('name', 'trader', 'machine') then regexp_replace(made, ' as \w+$', '')
    else format('p.%I::text', name)
  end;
end;
$$;

-- The interface -------------------------------------------------------------------------------------------

-- One page of an export as {"rows": [...], "next": id or null}: send next as `before`, and every filter again, until it
-- is null. shape 'cells' answers each row as an array of texts, 'lines' as the text of a JSON object. A page may be
-- short, even empty, before the end.
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
  shape text default 'cells',
  page_size integer default 5000,
  before uuid default null
) returns json
language plpgsql stable
set search_path = ''
set jit = off
set max_parallel_workers_per_gather = 0
as $$
declare
  began constant timestamptz := clock_timestamp();
  budget constant interval := interval '1 second';
  conditions text;
  statement text;
  wanted text;
  seen uuid := coalesce(before,
    public.signal_id_floor(least(greatest(coalesce(to_time, began + interval '1 day'), 'epoch'), '9999-12-31Z')));
  last constant uuid := public.signal_id_floor(least(greatest(coalesce(from_time, 'epoch'), 'epoch'), '9999-12-31Z'));
  slice record;
  found_rows json[];
  found_ids uuid[];
  rows json[] := array[]::json[];
  width integer;
begin
  perform private.check_query(traders, symbols, statuses, outcomes, sources, machines, sides, any_tags, all_tags,
    from_time, to_time, min_confidence, max_confidence, search, true, 1, columns);
  if shape is null or shape not in ('cells', 'lines') then
    raise exception 'shape is cells or lines, not %', coalesce(shape, '(null)') using errcode = 'invalid_parameter_value';
  end if;
  if page_size is null or page_size not between 1 and 10000 then
    raise exception 'page_size lies between 1 and 10000, not %', coalesce(page_size::text, '(null)')
      using errcode = 'invalid_parameter_value';
  end if;
  conditions := private.filter_conditions(symbols, statuses, outcomes, sources, machines, sides, any_tags, all_tags,
    min_confidence, max_confidence, nullif(trim(search), ''));
  width := case when search is null then 86400 else 3600 end;

  select string_agg(private.export_column(c.name, shape), ', ' order by c.place) into wanted
  from unnest(columns) with ordinality c (name, place);
  if wanted is null then
    raise exception 'columns must name at least one' using errcode = 'invalid_parameter_value';
  end if;
  -- In order by a subquery: an aggregate that sorts carries every row through the sort.
  statement := format($sql$
    with page as materialized (
      select s.* from public.signals s where s.id > $1 and s.id < $2 %s %s order by s.id desc limit $3
    )
    select array_agg(d.document), array_agg(d.id) from (
      select p.id, %s as document from page p %s %s order by p.id desc
    ) d$sql$,
    case when traders is not null then format('and s.trader_id = any (%L)', traders) end,
    conditions,
    case shape
      when 'cells' then format('array_to_json(array[%s])', wanted)
      else format('to_json((select row_to_json(c)::text from (select %s) c))', wanted)
    end,
    case when 'trader' = any (columns) then 'left join public.traders t on t.id = p.trader_id' end,
    case when 'machine' = any (columns) then 'left join private.machine_names(
      array(select distinct w.machine_id from page w where w.machine_id is not null)) m on m.id = p.machine_id' end);

  while seen > last and clock_timestamp() < began + budget loop
    select o.near, o.far into slice from private.older_slice(seen, last, width) o;
    if slice.near is null then
      seen := last;
      exit;
    end if;
    execute statement into found_rows, found_ids using slice.far, slice.near, page_size - cardinality(rows);
    rows := rows || coalesce(found_rows, '{}');
    if cardinality(rows) = page_size then
      seen := found_ids[cardinality(found_ids)];
      exit;
    end if;
    seen := slice.far;
  end loop;
  return json_build_object('rows', array_to_json(rows), 'next', case when seen > last then seen end);
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
  private.older_slice(uuid, uuid, integer), private.export_column(text, text)
  to authenticated;
