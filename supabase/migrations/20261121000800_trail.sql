-- The trail: every change of a signal's status and every order, fill and decision leaves one event, numbered
-- without a gap within its signal. Nobody changes or removes an event.

-- Tables --------------------------------------------------------------------------------------------------

create table public.signal_events (
  signal_id uuid not null,
  user_id uuid not null,
  order_id uuid,
  position_id uuid,
  execution_id uuid,
  occurred_at timestamptz not null,
  created_at timestamptz not null default now(),
  -- What seals go by: a time would miss what committed late. As bigint, since xid8 has no BRIN operators in 15.
  tx bigint not null default (pg_current_xact_id()::text::bigint),
  number integer not null,
  event_type public.signal_event_type not null,
  location public.pipeline_location not null,
  from_status public.signal_status,
  to_status public.signal_status,
  worker text,
  event_data jsonb,
  error_info jsonb,

  primary key (signal_id, number),
  constraint "events are numbered from 1" check (number >= 1),
  constraint "only the first event comes from nowhere"
    check (to_status is null or (from_status is null) = (number = 1))
) partition by range (signal_id);

comment on table public.signal_events is
  'What happened to a signal, in order. from_status and to_status of the events that carry them replay to its status.';
comment on column public.signal_events.occurred_at is 'The domain''s time; created_at is the database''s.';
comment on column public.signal_events.event_data is
  'What the signal''s row does not hold. The creation event has none.';

create index signal_events_tx_idx on public.signal_events using brin (tx) with (pages_per_range = 32);

create table public.signal_monitoring_snapshots (
  signal_id uuid not null,
  user_id uuid not null,
  occurred_at timestamptz not null,
  created_at timestamptz not null default now(),
  number integer not null,
  action text not null,
  price numeric not null,
  volume numeric,
  price_change_1m numeric,
  price_change_5m numeric,
  confidence numeric,
  reasoning text,
  indicators jsonb,
  primary key (signal_id, number),
  constraint "an action is continue, ready, exit or stop_monitoring"
    check (action in ('continue', 'ready', 'exit', 'stop_monitoring')),
  constraint "a snapshot's price is above zero and finite" check (price > 0 and price < 'infinity'),
  constraint "a snapshot's confidence lies between 0 and 1" check (confidence between 0 and 1)
) partition by range (signal_id);

-- Append only ---------------------------------------------------------------------------------------------

create function private.refuse_to_rewrite() returns trigger
language plpgsql
set search_path = ''
as $$
begin
  raise exception '% is append-only: % is refused', tg_table_name, lower(tg_op)
    using errcode = 'insufficient_privilege', hint = 'record what is true now as another event';
end;
$$;

create trigger signal_events_append_only before update or delete on public.signal_events
  for each row execute function private.refuse_to_rewrite();
create trigger signal_events_no_truncate before truncate on public.signal_events
  for each statement execute function private.refuse_to_rewrite();
create trigger signal_snapshots_append_only before update or delete on public.signal_monitoring_snapshots
  for each row execute function private.refuse_to_rewrite();
create trigger signal_snapshots_no_truncate before truncate on public.signal_monitoring_snapshots
  for each statement execute function private.refuse_to_rewrite();

-- Events of new signals -----------------------------------------------------------------------------------

-- The transaction as the trail counts it: private.begin_epoch lifts this and the column's default alike.
create function private.current_tx() returns bigint
language plpgsql volatile
set search_path = ''
as $$
begin
  return pg_current_xact_id()::text::bigint;
end;
$$;

-- One statement a batch. The creation event repeats nothing that the signal's row holds.
create function private.record_creation() returns trigger
language plpgsql security definer
set search_path = ''
as $$
declare
  caller text := private.caller_name();
  -- The column's default, once instead of once a row.
  this_tx bigint := private.current_tx();
begin
  insert into public.signal_events
    (signal_id, user_id, occurred_at, tx, number, event_type, location, to_status, worker)
  select s.id, s.user_id, s.triggered_at, this_tx, 1, 'signal_created', 'ingest', s.status, caller
  from new_signals s;
  return null;
end;
$$;

create trigger signals_events after insert on public.signals
  referencing new table as new_signals
  for each statement execute function private.record_creation();

-- Events that change no status ----------------------------------------------------------------------------

create type private.told_event as (
  index bigint,
  signal_id uuid,
  event_type public.signal_event_type,
  location public.pipeline_location,
  worker text,
  event_data jsonb,
  error_info jsonb,
  order_id uuid,
  position_id uuid,
  execution_id uuid
);

-- The events as a table, or an error that names the first that is none. In plpgsql: a function in SQL would be parsed
-- and planned anew by each call.
create function private.parse_events(events jsonb) returns setof private.told_event
language plpgsql stable
set search_path = ''
as $$
declare
  caller text := private.caller_name();
begin
  return query
  select e.index, (e.item ->> 'signal_id')::uuid, (e.item ->> 'event_type')::public.signal_event_type,
    coalesce((e.item ->> 'location')::public.pipeline_location, 'trading'),
    coalesce(e.item ->> 'worker', caller),
    nullif(e.item -> 'event_data', 'null'), nullif(e.item -> 'error_info', 'null'),
    (e.item ->> 'order_id')::uuid, (e.item ->> 'position_id')::uuid, (e.item ->> 'execution_id')::uuid
  from jsonb_array_elements(events) with ordinality e (item, index);
end;
$$;

-- Locks signals in order of id, which is the order of the ids given, and answers whose they are and the last numbers of
-- their trails.
create function private.lock_trails(ids uuid[], out signal_ids uuid[], out user_ids uuid[], out numbers integer[])
language plpgsql
set search_path = ''
-- A plan that knows the ids leaves all other days alone; one for any ids locks and opens them with every call.
set plan_cache_mode = force_custom_plan
set constraint_exclusion = off
as $$
begin
  -- One, as a rule: its plans take half of the time. One plan is enough where nobody else can write meanwhile.
  if cardinality(ids) = 1 and private.holds_signal(ids[1]) then
    select array[s.id], array[s.user_id], array[coalesce((
      select e.number from public.signal_events e where e.signal_id = ids[1] order by e.number desc limit 1), 0)]
    into signal_ids, user_ids, numbers
    from public.signals s where s.id = ids[1];
    return;
  end if;
  if cardinality(ids) = 1 then
    select array[s.id], array[s.user_id] into signal_ids, user_ids
    from public.signals s where s.id = ids[1] for no key update;
    numbers := array[coalesce((
      select e.number from public.signal_events e where e.signal_id = ids[1] order by e.number desc limit 1), 0)];
    return;
  end if;
  select array_agg(l.id order by l.id), array_agg(l.user_id order by l.id) into signal_ids, user_ids
  from (
    select s.id, s.user_id from public.signals s
    where s.id = any (ids) and s.id between ids[1] and ids[cardinality(ids)]
    order by s.id for no key update
  ) l;
  -- Another statement: it sees what was written while this one waited for the locks.
  select array_agg(coalesce(last.number, 0) order by i.id) into numbers
  from unnest(signal_ids) i (id)
  left join lateral (
    select e.number from public.signal_events e
    where e.signal_id = i.id and e.signal_id between ids[1] and ids[cardinality(ids)]
    order by e.number desc limit 1
  ) last on true;
end;
$$;

-- Adds events to the trails of their signals, in the order given. The signals are locked first, in order of id:
-- that is what keeps the numbers without gaps when two functions write to one trail at once.
create function private.append_signal_events(events jsonb, at timestamptz) returns integer
language plpgsql security definer
set search_path = ''
set jit = off
set plan_cache_mode = force_generic_plan
as $$
declare
  told private.told_event[];
  ids uuid[];
  missing uuid;
  trails record;
begin
  select array_agg(e order by e.index), array_agg(distinct e.signal_id order by e.signal_id) into told, ids
  from private.parse_events(events) e;
  if ids is null then
    return 0;
  end if;
  select * into trails from private.lock_trails(ids);

  select wanted into missing from unnest(ids) wanted
  where wanted is null or wanted <> all (coalesce(trails.signal_ids, '{}'))
  limit 1;
  if found then
    raise exception 'signal % is not recorded, it cannot have events', missing using errcode = 'no_data_found';
  end if;

  select e.signal_id into missing from unnest(told) e
  where not (private.json_fits(e.event_data) and private.json_fits(e.error_info)) or length(e.worker) > 200
  limit 1;
  if found then
    raise exception 'an event of signal % is too large', missing using errcode = 'invalid_parameter_value',
      hint = 'event_data and error_info fit in 64 KB each, with numbers between -1e40 and 1e40, worker in 200 letters';
  end if;

  insert into public.signal_events
    (signal_id, user_id, occurred_at, number, event_type, location, worker, event_data, error_info,
     order_id, position_id, execution_id)
  select e.signal_id, t.user_id, at,
    t.number + row_number() over (partition by e.signal_id order by e.index),
    e.event_type, e.location, e.worker, e.event_data, e.error_info, e.order_id, e.position_id, e.execution_id
  from unnest(told) e
  join unnest(trails.signal_ids, trails.user_ids, trails.numbers) t (signal_id, user_id, number)
    on t.signal_id = e.signal_id;
  return jsonb_array_length(events);
end;
$$;

-- Reading -------------------------------------------------------------------------------------------------

-- A signal's whole trail in order; users see their own.
create function public.signal_history(signal_id uuid) returns setof public.signal_events
language plpgsql stable
rows 10
set search_path = ''
-- A plan that knows the id leaves all other days alone; one for any id locks and prunes them with every call.
set plan_cache_mode = force_custom_plan
as $$
begin
  return query
  select e.* from public.signal_events e where e.signal_id = signal_history.signal_id order by e.number;
end;
$$;

-- Policies and grants -------------------------------------------------------------------------------------

alter table public.signal_events enable row level security;
alter table public.signal_monitoring_snapshots enable row level security;

create policy "Users read their signals' events" on public.signal_events
  for select to authenticated using (user_id = (select auth.uid()));
create policy "Users read their signals' snapshots" on public.signal_monitoring_snapshots
  for select to authenticated using (user_id = (select auth.uid()));

-- Select only, for everyone: events come from triggers and functions.
grant select on public.signal_events, public.signal_monitoring_snapshots to authenticated, service_role;
grant execute on function public.signal_history(uuid) to authenticated, service_role;
