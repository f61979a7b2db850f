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

-- Machines by their names, and the names of machines: users see which machine made a signal of theirs, and nothing else
-- of it.
create function private.machines_named(names text[]) returns uuid[]
language plpgsql stable security definer
set search_path = ''
as $$
begin
  return array(select m.id from public.cloud_machines m where m.machine_id = any (names));
end;
$$;

create function private.machine_names(ids uuid[]) returns table (id uuid, machine_id text)
language plpgsql stable security definer
set search_path = ''
as $$
begin
  return query select m.id, m.machine_id from public.cloud_machines m where m.id = any (ids);
end;
$$;

-- Functions: filters --------------------------------------------------------------------------------------

-- Refuses a list that is empty, too long or holds a null, and one with a word that is not known.
create function private.check_list(noun text, list text[], known text[] default null) returns void
language plpgsql immutable
set search_path = ''
as $$
declare
  unknown text;
begin
  if list is null then
    return;
  end if;
  if cardinality(list) not between 1 and 1000 or array_ndims(list) > 1 or array_position(list, null) is not null then
    raise exception '% must be a list of 1 to 1000 values without null', noun
      using errcode = 'invalid_parameter_value', hint = 'leave ' || noun || ' out to ask for any';
  end if;
  select w into unknown from unnest(list) w where w <> all (known) limit 1;
  if found then
    raise exception '% has no value %', noun, unknown
      using errcode = 'invalid_parameter_value', hint = 'use one of ' || array_to_string(known, ', ');
  end if;
end;
$$;

-- Refuses what makes no sense before anything is read, each with what to do instead.
create function private.check_query(
  traders uuid[], symbols text[], statuses text[], outcomes text[], sources text[], machines text[], sides text[],
  any_tags text[], all_tags text[], from_time timestamptz, to_time timestamptz, min_confidence numeric,
  max_confidence numeric, search text, newest_first boolean, page_size integer, columns text[] default null
) returns void
language plpgsql stable
set search_path = ''
as $$
begin
  perform private.check_list('traders', traders::text[]), private.check_list('symbols', symbols),
    private.check_list('machines', machines), private.check_list('any_tags', any_tags),
    private.check_list('all_tags', all_tags), private.check_list('columns', columns),
    private.check_list('statuses', statuses, enum_range(null::public.signal_status)::text[]),
    private.check_list('sources', sources, enum_range(null::public.signal_source)::text[]),
    private.check_list('sides', sides, enum_range(null::public.trade_side)::text[]);
  if outcomes is not null then
    perform private.check_list('outcomes', outcomes, array(select o.code from public.outcome_codes o));
  end if;
  if not isfinite(from_time) or not isfinite(to_time) then
    raise exception 'from_time and to_time must be times' using errcode = 'invalid_parameter_value',
      hint = 'leave one out where there is no bound';
  end if;
  if from_time > to_time then
    raise exception 'from_time % is after to_time %', from_time, to_time using errcode = 'invalid_parameter_value',
      hint = 'from_time is the earlier one, whatever the order of the rows';
  end if;
  if min_confidence not between 0 and 1 or max_confidence not between 0 and 1 or min_confidence > max_confidence then
    raise exception 'a confidence lies between 0 and 1, and the least is not above the greatest'
      using errcode = 'invalid_parameter_value', hint = 'min_confidence 0.6 and max_confidence 1, for instance';
  end if;
  if length(search) > 200 or cardinality(regexp_split_to_array(trim(search), '\s+')) > 8 then
    raise exception 'a search takes at most 8 words and 200 letters' using errcode = 'invalid_parameter_value',
      hint = 'search for the rarest of the words';
  end if;
  if newest_first is null then
    raise exception 'newest_first must be true or false' using errcode = 'invalid_parameter_value',
      hint = 'leave it out for the newest first';
  end if;
  if page_size is null or page_size not between 1 and 1000 then
    raise exception 'page_size lies between 1 and 1000, not %', coalesce(page_size::text, '(null)')
      using errcode = 'invalid_parameter_value', hint = 'ask for more pages with next_cursor';
  end if;
end;
$$;

-- What a JSON document says, without the names of its fields: searching for "reason" must not find every reason.
create function private.words_of(document jsonb) returns text
language plpgsql immutable parallel safe
set search_path = ''
as $$
begin
  return (
    select string_agg(v #>> '{}', E'\n')
    from jsonb_path_query(document, 'strict $.** ? (@.type() == "string" || @.type() == "number")') v
  );
end;
$$;

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

-- The condition that every word stands somewhere in what a signal s says: its symbol, outcome, verdict, conditions,
-- original signal and tags, the data and errors of its events, the reasoning of its snapshots.
create function private.search_condition(search text, bounds text) returns text
language plpgsql stable
set search_path = ''
as $$
declare
  word text;
  raw_word text;
  outcomes text[];
  condition text := '';
  -- Cheap, but with the names of fields: what it does not find is not there.
  raw constant text := $sql$lower(concat_ws(E'\n', s.symbol, s.analysis_result::text, s.matched_conditions::text,
    s.original_signal::text, array_to_string(s.tags, E'\n')))$sql$;
  exact constant text := $sql$lower(concat_ws(E'\n', s.symbol, private.words_of(s.analysis_result),
    private.words_of(s.matched_conditions), private.words_of(s.original_signal), array_to_string(s.tags, E'\n')))$sql$;
begin
  foreach word in array regexp_split_to_array(lower(search), '\s+') loop
    raw_word := trim(both '"' from to_json(word)::text);
    outcomes := array(
      select o.code from public.outcome_codes o
      where strpos(lower(o.code), word) > 0 or strpos(lower(o.description), word) > 0
    );
    condition := condition || format($sql$ and (
      s.outcome_code = any (%1$L)
      or (strpos(%2$s, %4$L) > 0 and strpos(%3$s, %5$L) > 0)
      or exists (
        select from public.signal_events e
        where e.signal_id = s.id and e.number > 1 and %6$s
          and strpos(lower(concat_ws(E'\n', e.event_data::text, e.error_info::text)), %4$L) > 0
          and strpos(lower(concat_ws(E'\n', private.words_of(e.event_data), private.words_of(e.error_info))), %5$L) > 0
        offset 0 -- or all events of the slice might be read into a hash
      )
      or (s.analyzed_at is not null and s.status <> 'rejected' and exists (
        select from public.signal_monitoring_snapshots n
        where n.signal_id = s.id and %7$s and strpos(lower(n.reasoning), %5$L) > 0
        offset 0
      )))$sql$,
      outcomes, raw, exact, raw_word, word, replace(bounds, 's.id', 'e.signal_id'), replace(bounds, 's.id', 'n.signal_id'));
  end loop;
  return condition;
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

-- What a signal s must be to pass every filter but those of its trader and its time, as the end of a condition: '' when
-- nothing is asked. $1 and $2 are the ids that it lies between.
create function private.filter_conditions(
  symbols text[], statuses text[], outcomes text[], sources text[], machines text[], sides text[], any_tags text[],
  all_tags text[], min_confidence numeric, max_confidence numeric, search text
) returns text
language plpgsql stable
set search_path = ''
as $$
declare
  conditions text := '';
begin
  if cardinality(symbols) = 1 then
    conditions := conditions || format(' and s.symbol = %L', symbols[1]);
  elsif symbols is not null then
    conditions := conditions || format(' and s.symbol = any (%L)', symbols);
  end if;
  if statuses is not null then
    conditions := conditions || format(' and s.status = any (%L)', statuses);
  end if;
  if outcomes is not null then
    conditions := conditions || format(' and s.outcome_code = any (%L)', outcomes);
  end if;
  if sources is not null then
    conditions := conditions || format(' and s.source = any (%L)', sources);
  end if;
  if machines is not null then
    conditions := conditions || format(' and s.machine_id = any (%L)', private.machines_named(machines));
  end if;
  if sides is not null then
    conditions := conditions || format(' and s.side = any (%L)', sides);
  end if;
  if any_tags is not null then
    conditions := conditions || format(' and s.tags && %L', any_tags);
  end if;
  if all_tags is not null then
    conditions := conditions || format(' and s.tags @> %L', all_tags);
  end if;
  if min_confidence is not null then
    conditions := conditions || format(' and s.analysis_confidence >= %L', min_confidence);
  end if;
  if max_confidence is not null then
    conditions := conditions || format(' and s.analysis_confidence <= %L', max_confidence);
  end if;
  if search is not null then
    conditions := conditions || private.search_condition(search, 's.id > $1 and s.id < $2');
  end if;
  return conditions;
end;
$$;

-- The interface -------------------------------------------------------------------------------------------

-- One page of the caller's signals that pass every filter given, as
-- {"rows": [...], "next_cursor": "..." or null, "looked_until": time}.
--
-- Lists are alternatives (any of them passes); filters are joined by "and". Times are those of triggered_at, from_time
-- included, to_time not. search: every word must stand somewhere in the signal's texts, whatever the case.
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
  cursor text default null
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
    search)::text, 'UTF8')), 1, 8);
  if cursor is not null then
    select c.seen, c.last into seen, last from private.read_cursor(cursor, newest_first, mark) c;
  else
    -- A clock that is ahead of the database's is let in by up to a minute.
    far := public.signal_id_floor(least(greatest(coalesce(to_time, began + interval '61 s'), 'epoch'), '9999-12-31Z'));
    near := public.signal_id_floor(least(greatest(
      coalesce(from_time, private.next_day('epoch', false)::timestamp at time zone 'UTC', 'epoch'),
      'epoch'), '9999-12-31Z'));
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

-- A row as JSON with its money, and what else must stay exact, as text.
create function private.exact_json(document jsonb) returns jsonb
language plpgsql immutable
set search_path = ''
as $$
declare
  exact constant text[] := array[
    'initial_price', 'current_price', 'total_pnl', 'analysis_confidence', 'price', 'volume', 'price_change_1m',
    'price_change_5m', 'confidence', 'amount', 'trigger_price', 'filled', 'cost', 'average', 'fees', 'lot', 'stop_loss',
    'initial_stop_loss', 'take_profit', 'trailing_percent', 'entry_amount', 'entry_average', 'exit_amount',
    'exit_average', 'realized_pnl', 'gross_pnl', 'written_off', 'fee_cost', 'fee_quote', 'base_change', 'quote_change',
    'min_confidence', 'position_size_value', 'stop_loss_value', 'take_profit_value', 'trailing_stop_value'
  ];
begin
  return document || coalesce(
    (select jsonb_object_agg(field, document ->> field) from unnest(exact) field where document ? field), '{}');
end;
$$;

-- Everything about one signal, for a page: {"signal", "trader", "outcome", "events", "snapshots", "orders",
-- "order_events", "positions", "executions"}, each list in order. Null when the caller has no such signal.
create function public.signal_story(signal_id uuid) returns jsonb
language plpgsql stable
set search_path = ''
set jit = off
set plan_cache_mode = force_custom_plan
set constraint_exclusion = off
as $$
declare
  signal public.signals;
begin
  select s.* into signal from public.signals s where s.id = signal_story.signal_id;
  if signal.id is null then
    return null;
  end if;
  return jsonb_build_object(
    'signal', private.exact_json(to_jsonb(signal)) || jsonb_build_object(
      'name', public.human_name(signal),
      'machine', (select m.machine_id from private.machine_names(array[signal.machine_id]) m)),
    'trader', (select private.exact_json(to_jsonb(t)) from public.traders t where t.id = signal.trader_id),
    'outcome', (select o.description from public.outcome_codes o where o.code = signal.outcome_code),
    'events', (
      select coalesce(jsonb_agg(to_jsonb(e) order by e.number), '[]') from public.signal_events e
      where e.signal_id = signal.id),
    'snapshots', (
      select coalesce(jsonb_agg(private.exact_json(to_jsonb(n)) order by n.number), '[]')
      from public.signal_monitoring_snapshots n where n.signal_id = signal.id),
    'orders', (
      select coalesce(jsonb_agg(private.exact_json(to_jsonb(o)) order by o.intended_at, o.leg, o.attempt), '[]')
      from public.orders o where o.signal_id = signal.id),
    'order_events', (
      select coalesce(jsonb_agg(to_jsonb(e) order by e.occurred_at, e.order_id, e.number), '[]')
      from public.orders o join public.order_events e on e.order_id = o.id where o.signal_id = signal.id),
    'positions', (
      select coalesce(jsonb_agg(private.exact_json(to_jsonb(p)) order by p.opened_at), '[]')
      from public.positions p where p.signal_id = signal.id),
    'executions', (
      select coalesce(jsonb_agg(private.exact_json(to_jsonb(x)) order by x.executed_at, x.venue_trade_id), '[]')
      from public.trade_executions x where x.signal_id = signal.id)
  );
end;
$$;

-- Grants --------------------------------------------------------------------------------------------------

grant execute on function
  public.query_signals(uuid[], text[], text[], text[], text[], text[], text[], text[], text[], timestamptz, timestamptz,
    numeric, numeric, text, boolean, integer, text[], text),
  private.check_query(uuid[], text[], text[], text[], text[], text[], text[], text[], text[], timestamptz, timestamptz,
    numeric, numeric, text, boolean, integer, text[]),
  private.make_cursor(boolean, uuid, uuid, bytea), private.read_cursor(text, boolean, bytea),
  private.next_day(timestamptz, boolean), private.machines_named(text[]), private.machine_names(uuid[]),
  private.check_list(text, text[], text[]), private.words_of(jsonb), private.signal_column(text),
  private.signal_object(text[], text[]), private.page_source(text, text[]),
  private.search_condition(text, text), private.first_step(timestamptz, integer, integer),
  private.filter_conditions(text[], text[], text[], text[], text[], text[], text[], text[], numeric, numeric, text),
  public.signal_story(uuid), private.exact_json(jsonb)
  to authenticated, service_role;
