-- Asking for signals: any combination of filters, page by page, under the caller's own row level security. Time is
-- always a bound on the id, on both sides, so that only the partitions in question are planned and read.
--
-- A page is looked for in slices of time from one end to the other, and the search ends when the page is full or when
-- it has worked long enough: then the page is short, perhaps empty, and the cursor goes on from where it stopped. So
-- no question, however rare what it asks for, makes a caller wait for a scan of all their history.

-- Functions: cursors --------------------------------------------------------------------------------------

-- Where a reader stands: the id up to which everything was looked at, the id at which the paging ends (fixed with the
-- first page, so that rows that arrive don't make it endless), the direction, and a mark of the filters, because a
-- cursor means nothing under other filters. 42 bytes as URL-safe base64.
create function private.make_cursor(newest_first boolean, seen uuid, last uuid, mark bytea) returns text
language plpgsql immutable
set search_path = ''
as $$
begin
  return translate(encode(
    (case when newest_first then '\x016e'::bytea else '\x016f'::bytea end)
    || uuid_send(seen) || uuid_send(last) || mark, 'base64'), E'+/\n', '-_');
end;
$$;

-- The two ids of a cursor that was made for this direction and these filters, or a clear error.
create function private.read_cursor(cursor text, newest_first boolean, mark bytea, out seen uuid, out last uuid)
language plpgsql immutable
set search_path = ''
as $$
declare
  bytes bytea;
begin
  if cursor ~ '^[A-Za-z0-9_-]{56}$' then
    bytes := decode(translate(cursor, '-_', '+/'), 'base64');
  end if;
  if bytes is null or get_byte(bytes, 0) <> 1 or get_byte(bytes, 1) not in (110, 111) then
    raise exception 'the cursor is none that query_signals gave'
      using errcode = 'invalid_parameter_value', hint = 'send next_cursor of the last answer as it is, or none to begin';
  end if;
  if (get_byte(bytes, 1) = 110) <> newest_first or substr(bytes, 35) <> mark then
    raise exception 'the cursor belongs to a question with other filters or another order'
      using errcode = 'invalid_parameter_value',
        hint = 'keep every filter, both times and the order while paging; only page_size and columns may change';
  end if;
  seen := encode(substr(bytes, 3, 16), 'hex')::uuid;
  last := encode(substr(bytes, 19, 16), 'hex')::uuid;
end;
$$;

-- Functions: what needs its owner's rights ----------------------------------------------------------------

-- The open day next to a time, looking back (the newest that begins before it) or on (the oldest that ends after it);
-- null when there is none. Years without a partition are stepped over.
create function private.next_day(moment timestamptz, backwards boolean) returns date
language plpgsql stable security definer
set search_path = ''
as $$
begin
  if backwards then
    return (select max(d.day) from private.partition_days d where d.day::timestamp at time zone 'UTC' < moment
      and d.day <= (moment at time zone 'UTC')::date);
  end if;
  return (select min(d.day) from private.partition_days d where d.day >= (moment at time zone 'UTC')::date);
end;
$$;

-- The names of machines: users see which machine made a signal of theirs, and nothing else of it.
create function private.machine_names(ids uuid[]) returns table (id uuid, machine_id text)
language plpgsql stable security definer
set search_path = ''
as $$
begin
  return query select m.id, m.machine_id from public.cloud_machines m where m.id = any (ids);
end;
$$;

-- Functions: the rows of a page ---------------------------------------------------------------------------

-- How a column of the answer is made of a row p of the page: an expression for its JSON, or for what stands between quotes
-- in it. Put together as text because row_to_json looks every column's type up again for every row, which takes longer
-- than all else that a page needs. Money and confidence are text: a JSON number would become a float on its way. Null for
-- a name that is no column.
create function private.signal_column(name text, out expression text, out quoted boolean)
language plpgsql immutable
set search_path = ''
as $$
begin
  quoted := name in ('id', 'user_id', 'trader_id', 'status', 'source', 'side', 'initial_price', 'total_pnl');
  expression := case
    when quoted then format('p.%I', name)
    when name in ('machine_id', 'current_price', 'analysis_confidence')
      then format($sql$coalesce('"' || p.%I || '"', 'null')$sql$, name)
    when name in ('error_count', 'retry_count', 'total_orders_count', 'has_active_orders', 'has_open_position')
      then format('p.%I::text', name)
    when name in ('triggered_at', 'created_at', 'updated_at', 'status_at', 'symbol', 'normalised_symbol', 'interval')
      then format('to_json(p.%I)::text', name)
    when name in ('analyzed_at', 'ready_at', 'position_opened_at', 'closed_at', 'outcome_code', 'tags')
      then format($sql$coalesce(to_json(p.%I)::text, 'null')$sql$, name)
    when name in ('matched_conditions', 'original_signal', 'analysis_result', 'analysis_trade_plan')
      then format($sql$coalesce(p.%I::text, 'null')$sql$, name)
    when name = 'name'
      then $sql$to_json(p.symbol || '-' || floor(extract(epoch from p.triggered_at) * 1000)::bigint)::text$sql$
    when name in ('machine', 'trader')
      then format($sql$coalesce(((select n.by_id from %1$ss n) -> p.%1$s_id::text)::text, 'null')$sql$, name)
  end;
end;
$$;

-- The columns as an expression for the JSON object of a row p, as text. Refuses a name that is none of those known beside
-- the columns of signals.
create function private.signal_object(columns text[], known text[]) returns text
language plpgsql immutable
set search_path = ''
as $$
declare
  made text := '';
  between text := '{'; -- what stands before the next value
  name text;
  expression text;
  quoted boolean;
begin
  foreach name in array columns loop
    select c.expression, c.quoted into expression, quoted from private.signal_column(name) c;
    if expression is null or name in ('machine', 'trader') and name <> all (known) then
      raise exception 'columns has no value %', coalesce(name, '(null)')
        using errcode = 'invalid_parameter_value',
          hint = 'use columns of signals, ' || array_to_string('name'::text || known, ', ');
    end if;
    between := between || to_json(name) || case when quoted then ':"' else ':' end;
    made := made || quote_literal(between) || ' || ' || expression || ' || ';
    between := case when quoted then '",' else ',' end;
  end loop;
  return made || quote_literal(rtrim(between, ',') || '}');
end;
$$;

-- What a page needs to be made: it as the relation p, and the names of its machines when they are asked for. One look at
-- them a page, and no join, which might change the order of the rows.
create function private.page_source(page text, columns text[], out before text, out source text)
language plpgsql immutable
set search_path = ''
as $$
begin
  if 'machine' = any (columns) then
    before := format('with page as materialized (%s), machines as materialized (
      select jsonb_object_agg(m.id, m.machine_id) as by_id
      from private.machine_names(array(select distinct w.machine_id from page w where w.machine_id is not null)) m
    )', page);
    source := 'page';
  else
    before := '';
    source := '(' || page || ')';
  end if;
end;
$$;

-- How many seconds back or on from a time hold about so many of the caller's signals: by the counts of the day before
-- it. Few traders are taken for few signals; an operator's are everyone's, which would take long to add up.
create function private.first_step(moment timestamptz, traders integer, signals integer) returns double precision
language plpgsql stable
set search_path = ''
as $$
declare
  day_s constant double precision := 86400;
  found bigint;
begin
  if traders <= 10 then
    return 2 * day_s * least(1, signals / 1000.0);
  end if;
  if (select auth.uid()) is null then
    return 900;
  end if;
  select sum(c.count) into found from public.signal_counts c
  where c.user_id = (select auth.uid())
    and c.hour >= moment - interval '24 hours' and c.hour < moment;
  return greatest(60, least(8 * day_s, day_s * signals / greatest(1, coalesce(found, 0))));
end;
$$;

-- The interface -------------------------------------------------------------------------------------------

-- One page of the caller's signals that pass every filter given, as
-- {"rows": [...], "next_cursor": "..." or null, "looked_until": time}.
--
-- Lists are alternatives (any of them passes); filters are joined by "and". Times are those of triggered_at, from_time
-- included, to_time not. search: every word must stand somewhere in the signal's texts, whatever the case.
-- after_id, before_id: only what was recorded under ids between them, neither included. So whoever shows a part of the
-- list goes on from its ends in both directions, and reads again what a message says has changed.
-- next_cursor null means the end. A page may be short, and even empty, before the end: it has then looked as long as it
-- may, up to looked_until, and the cursor goes on from there. Whatever arrives or changes while somebody pages: no row
-- comes twice, and none is left out that was there from the beginning and passes the filters when its place is read.
create function public.query_signals(
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
  newest_first boolean default true,
  page_size integer default 100,
  columns text[] default null,
  cursor text default null,
  after_id uuid default null,
  before_id uuid default null
) returns json
language plpgsql stable
set search_path = ''
set jit = off
set max_parallel_workers_per_gather = 0
-- Whose rows they are is known when the plan runs, not when it is made: for a user of average size it would pay to
-- fetch all rows of a slice and sort them, for a large one it costs a hundred times what a walk along the index does.
set enable_sort = off
set enable_bitmapscan = off
-- The bounds of the days say which are read; what else a table checks would be parsed for each of them, with every plan.
set constraint_exclusion = off
as $$
declare
  began constant timestamptz := clock_timestamp();
  budget_ms constant double precision := 24; -- of one call; the slice that is under way is finished
  slice_ms constant double precision := 6; -- what a slice should take
  day_s constant double precision := 86400;
  widest constant double precision := 32 * day_s; -- more partitions at once cost more to plan than they save
  slice_began timestamptz;
  width double precision;
  conditions text := '';
  page text;
  statement text;
  expression text;
  mark bytea;
  seen uuid; -- everything up to here has been looked at
  last uuid; -- the paging ends here
  near uuid; -- the slice that is looked at: from near to far in the direction of the paging
  far uuid;
  day date;
  slice_rows text;
  slice_ids uuid[];
  rows text := '';
  row_count integer := 0;
  room integer;
begin
  perform private.check_query(traders, symbols, statuses, outcomes, sources, machines, sides, any_tags, all_tags,
    from_time, to_time, min_confidence, max_confidence, search, newest_first, page_size, columns);
  search := nullif(trim(search), '');
  columns := coalesce(columns, array[
    'id', 'name', 'user_id', 'trader_id', 'symbol', 'normalised_symbol', 'interval', 'side', 'status', 'outcome_code',
    'source', 'machine_id', 'machine', 'initial_price', 'current_price', 'total_pnl', 'analysis_confidence',
    'matched_conditions', 'original_signal', 'analysis_result', 'analysis_trade_plan', 'tags', 'error_count',
    'retry_count', 'total_orders_count', 'has_active_orders', 'has_open_position', 'triggered_at', 'created_at',
    'updated_at', 'status_at', 'analyzed_at', 'ready_at', 'position_opened_at', 'closed_at'
  ]);

  -- What is asked for. Values stand in the statement as literals: it is planned anew for each slice anyway, and a plan
  -- that knows its bounds leaves every other partition alone.
  if cardinality(traders) = 1 then
    conditions := conditions || format(' and s.trader_id = %L', traders[1]);
  elsif traders is not null then
    conditions := conditions || format(' and s.trader_id = any (%L)', traders);
  end if;
  expression := private.filter_conditions(symbols, statuses, outcomes, sources, machines, sides, any_tags, all_tags,
    min_confidence, max_confidence, search);
  conditions := conditions || expression;
  if expression = '' then
    width := 2 * day_s;
  else
    -- What no index helps with may have to be looked for: then the first step is about as long as can be afforded.
    width := private.first_step(coalesce(to_time, began), cardinality(traders), case when search is null then 2000 else 200 end);
  end if;

  if cardinality(traders) between 2 and 50 then
    -- The newest of each, merged: a scan of (trader_id, id) for several traders comes in no order.
    page := format($sql$
      select s.* from unnest(%1$L::uuid[]) t (id) cross join lateral (
        select s.* from public.signals s
        where s.id > $1 and s.id < $2 and s.trader_id = t.id %2$s
        order by s.id %3$s limit $3 + 1
      ) s
      order by s.id %3$s limit $3 + 1$sql$,
      array(select distinct t from unnest(traders) t), conditions, case when newest_first then 'desc' end);
  else
    page := format($sql$
      select s.* from public.signals s where s.id > $1 and s.id < $2 %s order by s.id %s limit $3 + 1$sql$,
      conditions, case when newest_first then 'desc' end);
  end if;
  -- In the order of the page: nothing after it sorts or joins.
  select format($sql$
    %s select array_agg(d.id), string_agg(d.line, ',') filter (where d.place <= $3)
    from (select p.id, row_number() over () as place, %s as line from %s p) d$sql$,
    f.before, private.signal_object(columns, '{machine}'), f.source)
  into statement from private.page_source(page, columns) f;

  -- From where to where.
  mark := substr(sha256(convert_to(jsonb_build_array(traders, symbols, statuses, outcomes, sources, machines, sides,
    any_tags, all_tags, extract(epoch from from_time), extract(epoch from to_time), min_confidence, max_confidence,
    search, after_id, before_id)::text, 'UTF8')), 1, 8);
  if cursor is not null then
    select c.seen, c.last into seen, last from private.read_cursor(cursor, newest_first, mark) c;
  else
    -- A clock that is ahead of the database's is let in by up to a minute.
    far := public.signal_id_floor(least(greatest(coalesce(to_time, began + interval '61 s'), 'epoch'), '9999-12-31Z'));
    near := public.signal_id_floor(least(greatest(
      coalesce(from_time, private.next_day('epoch', false)::timestamp at time zone 'UTC', 'epoch'),
      'epoch'), '9999-12-31Z'));
    -- Of contradicting bounds nothing is left, and the paging is over before it begins.
    near := greatest(near, after_id);
    far := greatest(near, least(far, before_id));
    seen := case when newest_first then far else near end;
    last := case when newest_first then near else far end;
  end if;

  loop
    room := page_size - row_count;
    day := private.next_day(public.signal_time(seen) + case when newest_first then interval '1 ms' else '0' end,
      newest_first);
    if newest_first then
      near := least(seen, public.signal_id_floor((day + 1)::timestamp at time zone 'UTC'));
      far := greatest(last, public.signal_id_floor(
        greatest(public.signal_time(near) - make_interval(secs => width), 'epoch')));
      if day is null or near <= last then
        seen := last;
      end if;
    else
      near := greatest(seen, public.signal_id_floor(day::timestamp at time zone 'UTC'));
      far := least(last, public.signal_id_floor(public.signal_time(near) + make_interval(secs => width)));
      if day is null or near >= last then
        seen := last;
      end if;
    end if;
    exit when seen = last;

    slice_began := clock_timestamp();
    execute statement into slice_ids, slice_rows
    using least(near, far), greatest(near, far), room;
    if slice_rows is not null then
      rows := case when row_count = 0 then slice_rows else rows || ',' || slice_rows end;
      row_count := row_count + cardinality(slice_ids);
    end if;
    if cardinality(slice_ids) > room then
      seen := slice_ids[room];
      exit;
    end if;
    seen := far;
    exit when seen = last or row_count = page_size
      or extract(epoch from clock_timestamp() - began) * 1000 > budget_ms;
    -- Wider where little is found, narrower where much is read for it.
    width := least(widest, greatest(60, width * least(4, greatest(0.25,
      slice_ms / greatest(0.01, extract(epoch from clock_timestamp() - slice_began) * 1000)))));
  end loop;

  -- As one text: a large page is copied as few times as can be.
  return concat('{"rows" : [', rows, '], "next_cursor" : ',
    coalesce(to_json(case when seen <> last then private.make_cursor(newest_first, seen, last, mark) end)::text, 'null'),
    ', "looked_until" : ', to_json(public.signal_time(seen)), '}')::json;
end;
$$;

-- Grants --------------------------------------------------------------------------------------------------

grant execute on function
  public.query_signals(uuid[], text[], text[], text[], text[], text[], text[], text[], text[], timestamptz, timestamptz,
    numeric, numeric, text, boolean, integer, text[], text, uuid, uuid),
  private.make_cursor(boolean, uuid, uuid, bytea), private.read_cursor(text, boolean, bytea),
  private.next_day(timestamptz, boolean), private.machine_names(uuid[]), private.signal_column(text),
  private.signal_object(text[], text[]), private.page_source(text, text[]),
  private.first_step(timestamptz, integer, integer)
  to authenticated, service_role;
