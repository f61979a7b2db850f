-- Reports: the trail page by page, for whoever wants to read or keep all of it.

-- Functions -----------------------------------------------------------------------------------------------

-- The events of the next signals of the caller that fired between two times, whole signals a page, in the order and the
-- shape of `sigtrail audit report`: every value is text as a report shows it, but nothing is defused for spreadsheets.
-- events and workers keep those alone; a page without any is no end. Answers {rows, cursor, signals, looked_until}:
-- `cursor` asks for the next page, null at the end; `signals` is how many this page looked at, up to `looked_until`. Of
-- days whose signals left Postgres only those that were kept are here.
create function public.trail_page(
  from_time timestamptz,
  to_time timestamptz,
  cursor uuid default null,
  newest_first boolean default false,
  most integer default 200,
  events text[] default null,
  workers text[] default null
)
returns jsonb
language plpgsql stable
set search_path = ''
set plan_cache_mode = force_custom_plan
set constraint_exclusion = off
as $$
declare
  least_id uuid;
  limit_id uuid;
  ids uuid[];
  last_id uuid;
begin
  perform private.check_range(from_time, to_time);
  if most is null or most not between 1 and 1000 then
    raise exception 'a page looks at 1 to 1000 signals, not at %', most using errcode = 'invalid_parameter_value';
  end if;
  least_id := public.signal_id_floor(from_time);
  limit_id := public.signal_id_floor(to_time);
  if newest_first then
    ids := array(
      select s.id from public.signals s
      where s.user_id = (select auth.uid()) and s.id >= least_id and s.id < least(limit_id, coalesce(trail_page.cursor, limit_id))
      order by s.id desc limit most);
  else
    ids := array(
      select s.id from public.signals s
      where s.user_id = (select auth.uid()) and s.id >= least_id and s.id < limit_id
        and (trail_page.cursor is null or s.id > trail_page.cursor)
      order by s.id limit most);
  end if;
  last_id := ids[cardinality(ids)];
  -- Which days to look at follows from the first and the last of them.
  least_id := least(ids[1], last_id);
  limit_id := greatest(ids[1], last_id);
  return jsonb_build_object(
    'rows', coalesce((
      select jsonb_agg(r.fields order by case when newest_first then r.place end, case when not newest_first then r.place end,
        case when newest_first then -r.number else r.number end)
      from (
        select w.place, e.number, jsonb_build_object(
          'signal_id', e.signal_id, 'signal', public.human_name(s), 'symbol', s.symbol, 'side', s.side,
          'interval', s."interval", 'trader_id', s.trader_id, 'source', s.source,
          'triggered_at', private.report_time(s.triggered_at), 'initial_price', trim_scale(s.initial_price)::text,
          'number', e.number::text, 'occurred_at', private.report_time(e.occurred_at),
          'recorded_at', private.report_time(e.created_at), 'event_type', e.event_type, 'location', e.location,
          'from_status', e.from_status, 'to_status', e.to_status, 'worker', e.worker, 'order_id', e.order_id,
          'position_id', e.position_id, 'execution_id', e.execution_id, 'event_data', e.event_data::text,
          'error_info', e.error_info::text, 'tx', e.tx::text) as fields
        from unnest(ids) with ordinality w (id, place)
        join public.signals s on s.id = w.id and s.id >= least_id and s.id <= limit_id
        join public.signal_events e on e.signal_id = w.id and e.signal_id >= least_id and e.signal_id <= limit_id
        where (trail_page.events is null or e.event_type::text = any (trail_page.events))
          and (trail_page.workers is null or e.worker = any (trail_page.workers))
      ) r), '[]'),
    'cursor', case when cardinality(ids) = most then last_id end,
    'signals', cardinality(ids),
    'looked_until', (select s.triggered_at from public.signals s where s.id = last_id));
end;
$$;

-- A time as reports write it: in UTC, to the microsecond.
create function private.report_time(at timestamptz) returns text
language sql immutable parallel safe
set search_path = ''
as $$
  select to_char(at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"+00:00"');
$$;

-- Grants --------------------------------------------------------------------------------------------------

grant execute on function
  public.trail_page(timestamptz, timestamptz, uuid, boolean, integer, text[], text[]), private.report_time(timestamptz)
  to authenticated;
