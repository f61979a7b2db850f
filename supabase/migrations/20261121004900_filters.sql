-- What signals can be asked for by: the check of each filter and the condition that it becomes. One set for pages and for
-- exports.

-- Functions: checks ---------------------------------------------------------------------------------------

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

-- Functions: conditions -----------------------------------------------------------------------------------

-- Machines by their names, with its owner's rights: of machines, users see which made a signal of theirs, and nothing else.
create function private.machines_named(names text[]) returns uuid[]
language plpgsql stable security definer
set search_path = ''
as $$
begin
  return array(select m.id from public.cloud_machines m where m.machine_id = any (names));
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

-- Grants --------------------------------------------------------------------------------------------------

grant execute on function
  private.check_list(text, text[], text[]),
  private.check_query(uuid[], text[], text[], text[], text[], text[], text[], text[], text[], timestamptz, timestamptz,
    numeric, numeric, text, boolean, integer, text[]),
  private.machines_named(text[]), private.words_of(jsonb), private.search_condition(text, text),
  private.filter_conditions(text[], text[], text[], text[], text[], text[], text[], text[], numeric, numeric, text)
  to authenticated, service_role;
