-- What follows from every insert into signals and every change of a status, whoever makes it: the law is checked, the
-- trail gets its one event, the queue, the counts and the watchers learn of it. Set-based: one pass a statement.

-- Types ---------------------------------------------------------------------------------------------------

create type private.signal_change as (
  id uuid,
  user_id uuid,
  from_status public.signal_status,
  to_status public.signal_status,
  at timestamptz,
  triggered_at timestamptz,
  outcome_code text
);

-- Functions: details of events ----------------------------------------------------------------------------

-- Hands over what the events of the next change of status say beside the two statuses: an object by signal id of
-- {event_type, event_data, error_info, order_id, position_id, execution_id, worker, available_at}. It reaches the
-- trigger as a setting of this transaction, and is used up by the statement that follows.
create function private.describe_change(details jsonb) returns void
language plpgsql
set search_path = ''
as $$
begin
  perform set_config('sigtrail.event_details', coalesce(details, '{}')::text, true);
end;
$$;

-- Functions: the law --------------------------------------------------------------------------------------

create function private.refuse_unlawful(changes private.signal_change[]) returns void
language plpgsql stable
set search_path = ''
as $$
declare
  unlawful record;
begin
  select c.id, c.from_status, c.to_status into unlawful
  from unnest(changes) c
  where not exists (
    select from public.status_transitions t where t.from_status = c.from_status and t.to_status = c.to_status
  )
  limit 1;
  if found then
    raise exception 'signal % cannot go from % to %', unlawful.id, unlawful.from_status, unlawful.to_status
      using errcode = 'check_violation', hint = 'the allowed changes are in status_transitions';
  end if;

  select c.id, c.to_status, c.outcome_code into unlawful
  from unnest(changes) c
  where c.outcome_code is not null and not exists (
    select from public.outcome_codes o where o.code = c.outcome_code and o.status = c.to_status
  )
  limit 1;
  if found then
    raise exception 'signal % cannot be % for the reason %', unlawful.id, unlawful.to_status, unlawful.outcome_code
      using errcode = 'check_violation', hint = 'the reasons of each end are in outcome_codes';
  end if;
end;
$$;

-- Functions: what follows ---------------------------------------------------------------------------------

-- One event a change. The rows of the signals are locked by the statement that changed them, so the numbers that
-- follow here belong to nobody else.
create function private.record_changes(changes private.signal_change[], details jsonb) returns void
language plpgsql
set search_path = ''
as $$
declare
  caller text := private.caller_name();
  least_id uuid := changes[1].id;
  greatest_id uuid := changes[cardinality(changes)].id;
begin
  insert into public.signal_events
    (signal_id, user_id, occurred_at, number, event_type, location, from_status, to_status, worker,
     event_data, error_info, order_id, position_id, execution_id)
  select c.id, c.user_id, c.at,
    (
      select e.number + 1 from public.signal_events e
      where e.signal_id = c.id and e.signal_id between least_id and greatest_id
      order by e.number desc limit 1
    ),
    coalesce((d.detail ->> 'event_type')::public.signal_event_type, t.event_type),
    t.location, c.from_status, c.to_status, coalesce(d.detail ->> 'worker', caller),
    case
      when c.outcome_code is null then d.detail -> 'event_data'
      else coalesce(d.detail -> 'event_data', '{}') || jsonb_build_object('outcome_code', c.outcome_code)
    end,
    nullif(d.detail -> 'error_info', 'null'),
    (d.detail ->> 'order_id')::uuid, (d.detail ->> 'position_id')::uuid, (d.detail ->> 'execution_id')::uuid
  from unnest(changes) c
  join public.status_transitions t on t.from_status = c.from_status and t.to_status = c.to_status
  cross join lateral (select details -> c.id::text as detail) d;
end;
$$;

-- The queue follows the status: each status that waits for a role has its stage, the others have no row. A claim of
-- a new signal has set its lease already and is left alone.
create function private.requeue(changes private.signal_change[], details jsonb) returns void
language plpgsql
set search_path = ''
as $$
declare
  woken record;
begin
  delete from public.signal_queue q
  where q.signal_id = any (array(
    select c.id from unnest(changes) c where c.to_status in ('rejected', 'in_position', 'closed', 'expired')
  ));

  insert into public.signal_queue as q (signal_id, stage, available_at)
  select c.id, private.stage_of(c.to_status),
    coalesce((details -> c.id::text ->> 'available_at')::timestamptz, c.at)
  from unnest(changes) c
  where private.stage_of(c.to_status) is not null
  order by c.id
  on conflict (signal_id) do update set
    stage = excluded.stage, available_at = excluded.available_at, leased_until = null, leased_by = null,
    -- What was given back has been tried; what moved on has not.
    attempts = case when excluded.stage = q.stage then q.attempts else 0 end;

  for woken in
    select private.stage_of(c.to_status) as stage, count(*)::integer as count
    from unnest(changes) c
    where private.stage_of(c.to_status) is not null
    group by 1
    order by 1
  loop
    perform private.wake(woken.stage, woken.count);
  end loop;
end;
$$;

create function private.count_changes(changes private.signal_change[]) returns void
language plpgsql
set search_path = ''
as $$
declare
  free_shard smallint := private.free_shard();
begin
  insert into public.signal_counts as s (user_id, hour, status, shard, count)
  select m.user_id, m.hour, m.status, free_shard, sum(m.step)
  from (
    select c.user_id, date_trunc('hour', c.triggered_at, 'UTC') as hour, step.status, step.step
    from unnest(changes) c
    cross join lateral (values (c.from_status, -1), (c.to_status, 1)) step (status, step)
  ) m
  group by m.user_id, m.hour, m.status
  order by m.user_id, m.hour, m.status
  on conflict (user_id, hour, status, shard) do update set count = s.count + excluded.count;
end;
$$;

-- Triggers ------------------------------------------------------------------------------------------------

create function private.follow_changes() returns trigger
language plpgsql security definer
set search_path = ''
set jit = off
set plan_cache_mode = force_generic_plan
as $$
declare
  changes private.signal_change[];
  details jsonb;
  usual_nestloop text := current_setting('enable_nestloop');
begin
  -- The session keeps this plan: with nested loops, made for a batch of one row, it would take a second for a batch
  -- of thousands.
  perform set_config('enable_nestloop', 'off', true);
  select array_agg(
    row(n.id, n.user_id, o.status, n.status, n.status_at, n.triggered_at, n.outcome_code)::private.signal_change
    order by n.id
  ) into changes
  from new_signals n
  join old_signals o on o.id = n.id
  where n.status <> o.status;
  perform set_config('enable_nestloop', usual_nestloop, true);
  if changes is null then
    return null;
  end if;
  details := coalesce(nullif(current_setting('sigtrail.event_details', true), ''), '{}')::jsonb;
  perform set_config('sigtrail.event_details', '', true);

  perform private.refuse_unlawful(changes);
  perform private.record_changes(changes, details);
  perform private.requeue(changes, details);
  perform private.count_changes(changes);
  if exists (select from public.signal_watchers w where w.watched_until > now()) then
    perform private.broadcast_signals(array_agg(c.user_id), array_agg(c.id)) from unnest(changes) c;
  end if;
  return null;
end;
$$;

create trigger signals_changes after update on public.signals
  referencing old table as old_signals new table as new_signals
  for each statement execute function private.follow_changes();

-- Status changes by other functions -----------------------------------------------------------------------

-- Moves one signal to another status, with the one event of that arrow. For the functions of trading, which hold the
-- row's lock and know what else the event has to say.
create function private.move_signal(
  signal_id uuid, to_status public.signal_status, at timestamptz, outcome_code text default null,
  details jsonb default '{}'
) returns void
language plpgsql security definer
set search_path = ''
set jit = off
-- A plan that knows the id opens one day for the update, not all of them.
set plan_cache_mode = force_custom_plan
set constraint_exclusion = off
as $$
begin
  perform private.describe_change(jsonb_build_object(signal_id, details));
  update public.signals s set
    status = to_status,
    status_at = at,
    updated_at = now(),
    outcome_code = coalesce(move_signal.outcome_code, s.outcome_code),
    analyzed_at = case when to_status in ('monitoring', 'rejected') then at else s.analyzed_at end,
    ready_at = case when to_status = 'ready' then at else s.ready_at end,
    position_opened_at = case when to_status = 'in_position' then at else s.position_opened_at end,
    closed_at = case when to_status in ('rejected', 'closed', 'expired') then at end
  where s.id = move_signal.signal_id;
  if not found then
    raise exception 'signal % is not recorded', move_signal.signal_id using errcode = 'no_data_found';
  end if;
end;
$$;
