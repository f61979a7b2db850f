-- Calls of a language model by analysts: what was asked about a signal, what was answered, what it cost, and what may be
-- spent in one day. A signal's question is written down before it is sent and stays as it is; its answer is stored once,
-- and whoever takes the signal up again uses that answer instead of asking anew.

-- Tables --------------------------------------------------------------------------------------------------

create table public.model_calls (
  signal_id uuid primary key,
  user_id uuid not null references public.users (id) on delete cascade,
  trader_id uuid not null,
  model text not null,
  -- The body that is sent, the same in every attempt. The key travels in a header and is never here.
  request jsonb not null,
  attempts integer not null,
  -- The attempt that is under way: who makes it, under which id, and what it costs at most.
  call_id uuid not null,
  machine text not null,
  is_open boolean not null,
  reserved numeric not null,
  -- The UTC day of the database's clock to which that is booked: money is spent on the wall's days, also in a replay.
  day date not null,
  asked_at timestamptz not null default clock_timestamp(),

  answer jsonb,
  answered_at timestamptz,
  prompt_tokens bigint not null default 0,
  completion_tokens bigint not null default 0,
  latency_ms bigint not null default 0,
  -- All attempts together; of one whose end nobody knows, the most that it can have cost.
  cost numeric not null default 0,
  constraint "an answer has its time" check ((answer is null) = (answered_at is null)),
  constraint "what was answered is not under way" check (answer is null or not is_open),
  constraint "a call costs nothing or more" check (cost >= 0 and reserved >= 0)
);
comment on table public.model_calls is
  'What a language model was asked about a signal and answered, for some days. The trail has it for good.';
create index model_calls_user_id_idx on public.model_calls (user_id);
create index model_calls_asked_at_idx on public.model_calls (asked_at);

create table private.model_spending (
  day date primary key,
  calls bigint not null default 0,
  cost numeric not null default 0
) with (fillfactor = 50);
alter table private.model_spending enable row level security;

-- Functions: spending -------------------------------------------------------------------------------------

-- Books one call that costs at most so much, unless that would be more than one day may have (null: without a limit).
-- The day's row is locked until the caller commits, so what all analysts book together never passes the limits.
create function private.book_model_call(booked_day date, at_most numeric, daily_calls bigint, daily_cost numeric)
returns boolean
language plpgsql
set search_path = ''
as $$
begin
  insert into private.model_spending (day) values (booked_day) on conflict do nothing;
  update private.model_spending s set calls = s.calls + 1, cost = s.cost + at_most
  where s.day = booked_day
    and (daily_calls is null or s.calls < daily_calls)
    and (daily_cost is null or s.cost + at_most <= daily_cost);
  return found;
end;
$$;

-- Functions: asking ---------------------------------------------------------------------------------------

-- Writes down that the caller is about to ask a model about a signal that it holds. The decision is one of
--   ask          with the request to send, which is that of the first attempt, and the number of this one
--   answered     with the stored answer: nobody asks twice
--   over_budget  nothing is sent today
--   lost         somebody else has the signal
-- call_id names this attempt: the same call again, because its answer was lost, books nothing more.
create function private.begin_model_call(
  signal_id uuid, fence bigint, call_id uuid, model text, request jsonb, at_most numeric, daily_calls bigint,
  daily_cost numeric, at timestamptz
) returns jsonb
language plpgsql security definer
set search_path = ''
set plan_cache_mode = force_custom_plan
as $$
declare
  today date := private.utc_day(clock_timestamp());
  known public.model_calls;
  held uuid[];
begin
  perform private.check_stage('analysis');
  perform private.check_clock(at);
  if model is null or length(model) not between 1 and 200 then
    raise exception 'a model has a name of 1 to 200 letters' using errcode = 'invalid_parameter_value';
  end if;
  if call_id is null or request is null or jsonb_typeof(request) <> 'object' or not private.json_fits(request, 32768) then
    raise exception 'a request to a model is an object of at most 32 KB, with a call_id'
      using errcode = 'invalid_parameter_value';
  end if;
  if at_most is null or not at_most between 0 and 1000000 then
    raise exception 'a call costs 0 to 1000000 at most, not %', coalesce(at_most::text, '(null)')
      using errcode = 'invalid_parameter_value';
  end if;
  held := private.held_leases('analysis', jsonb_build_array(jsonb_build_object('signal_id', signal_id, 'fence', fence)));
  if cardinality(held) = 0 then
    return jsonb_build_object('decision', 'lost');
  end if;

  select * into known from public.model_calls c where c.signal_id = begin_model_call.signal_id for update;
  if known.answer is not null then
    return private.known_answer(known);
  end if;
  if known.call_id = begin_model_call.call_id then
    return jsonb_build_object('decision', 'ask', 'attempt', known.attempts, 'request', known.request);
  end if;
  if not private.book_model_call(today, at_most, daily_calls, daily_cost) then
    return jsonb_build_object('decision', 'over_budget');
  end if;
  insert into public.model_calls as c
    (signal_id, user_id, trader_id, model, request, attempts, call_id, machine, is_open, reserved, day)
  select s.id, s.user_id, s.trader_id, begin_model_call.model, begin_model_call.request, 1, begin_model_call.call_id,
    private.caller_name(), true, at_most, today
  from public.signals s
  where s.id = begin_model_call.signal_id
  on conflict on constraint model_calls_pkey do update set
    attempts = c.attempts + 1, call_id = excluded.call_id, machine = excluded.machine, is_open = true, day = excluded.day,
    -- Of an attempt that never ended nobody knows whether it was paid for: it counts as if it was.
    cost = c.cost + case when c.is_open then c.reserved else 0 end, reserved = excluded.reserved,
    asked_at = clock_timestamp()
  returning * into known;
  perform private.append_signal_events(jsonb_build_array(jsonb_build_object(
    'signal_id', known.signal_id, 'event_type', 'analysis_requested', 'location', 'analysis',
    'event_data', jsonb_build_object('model', known.model, 'attempt', known.attempts, 'call_id', known.call_id)
      -- Once is enough: every attempt sends the same.
      || case known.attempts when 1 then jsonb_build_object('request', known.request) else '{}' end
  )), at);
  return jsonb_build_object('decision', 'ask', 'attempt', known.attempts, 'request', known.request);
end;
$$;

create function private.known_answer(known public.model_calls) returns jsonb
language plpgsql immutable
set search_path = ''
as $$
begin
  return jsonb_build_object('decision', 'answered', 'attempt', known.attempts, 'answer', known.answer,
    'model', known.model, 'prompt_tokens', known.prompt_tokens, 'completion_tokens', known.completion_tokens,
    'latency_ms', known.latency_ms, 'cost', known.cost::text);
end;
$$;

-- Writes down how an attempt ended: with an answer, or with an error. The result is an object of {answer, error,
-- prompt_tokens, completion_tokens, latency_ms, cost}. It is taken from whoever began the attempt, also when the lease was
-- lost meanwhile: an answer that was paid for is not thrown away. The decision is
--   answered     with the stored answer, which may be that of another attempt
--   failed       there is none yet
create function private.end_model_call(signal_id uuid, call_id uuid, result jsonb, at timestamptz) returns jsonb
language plpgsql security definer
set search_path = ''
set plan_cache_mode = force_custom_plan
as $$
declare
  known public.model_calls;
  told jsonb := case jsonb_typeof(result -> 'answer') when 'object' then result -> 'answer' end;
  problem text := left(result ->> 'error', 2000);
  paid numeric := private.decimal(result ->> 'cost');
  counts bigint[] := array(
    select coalesce(private.decimal(result ->> field), 0)::bigint
    from unnest(array['prompt_tokens', 'completion_tokens', 'latency_ms']) with ordinality f (field, place)
    order by place
  );
begin
  perform private.check_stage('analysis');
  perform private.check_clock(at);
  if result is null or not private.json_fits(result) or paid is null or not paid between 0 and 1000000
    or not 0 <= all (counts) or (told is null) = (problem is null) then
    raise exception 'a result has either an answer or an error, a cost of 0 to 1000000, counts above zero and at most 64 KB'
      using errcode = 'invalid_parameter_value';
  end if;
  -- The signal first, as everywhere.
  perform 1 from public.signals s where s.id = end_model_call.signal_id for no key update;
  select * into known from public.model_calls c where c.signal_id = end_model_call.signal_id for update;
  if not found then
    raise exception 'no model was asked about signal %', signal_id using errcode = 'no_data_found';
  end if;
  if known.call_id = end_model_call.call_id and known.is_open
    and (private.is_operator() or known.machine = private.caller_name()) then
    update private.model_spending s set cost = s.cost - known.reserved + paid where s.day = known.day;
    update public.model_calls c set
      is_open = false, reserved = 0, cost = c.cost + paid,
      answer = told, answered_at = case when told is not null then clock_timestamp() end,
      prompt_tokens = c.prompt_tokens + counts[1], completion_tokens = c.completion_tokens + counts[2],
      latency_ms = c.latency_ms + counts[3]
    where c.signal_id = known.signal_id
    returning * into known;
    perform private.append_signal_events(jsonb_build_array(jsonb_strip_nulls(jsonb_build_object(
      'signal_id', known.signal_id, 'event_type', 'analysis_answered', 'location', 'analysis',
      'event_data', (result - 'error') || jsonb_build_object('model', known.model, 'attempt', known.attempts),
      'error_info', case when problem is not null then jsonb_build_object('error', problem) end
    ))), at);
  end if;
  return case when known.answer is null then jsonb_build_object('decision', 'failed') else private.known_answer(known) end;
end;
$$;

-- What analysts spent on models on the UTC day of the database's clock.
create function private.model_spending_today() returns jsonb
language plpgsql stable
set search_path = ''
as $$
begin
  return coalesce((
    select jsonb_build_object('calls', s.calls, 'cost', s.cost::text)
    from private.model_spending s where s.day = private.utc_day(clock_timestamp())
  ), '{"calls": 0, "cost": "0"}');
end;
$$;

-- The interface -------------------------------------------------------------------------------------------

create function public.begin_model_call(
  signal_id uuid, fence bigint, call_id uuid, model text, request jsonb, at_most numeric,
  daily_calls bigint default null, daily_cost numeric default null, at timestamptz default now()
) returns jsonb
language plpgsql
set search_path = ''
as $$
begin
  return private.begin_model_call(signal_id, fence, call_id, model, request, at_most, daily_calls, daily_cost, at);
end;
$$;

create function public.end_model_call(signal_id uuid, call_id uuid, result jsonb, at timestamptz default now())
returns jsonb
language plpgsql
set search_path = ''
as $$
begin
  return private.end_model_call(signal_id, call_id, result, at);
end;
$$;

-- Policies and grants -------------------------------------------------------------------------------------

alter table public.model_calls enable row level security;

create policy "Users read what their signals' analyses cost" on public.model_calls
  for select to authenticated using (user_id = (select auth.uid()));

grant select on public.model_calls to authenticated, service_role;
grant execute on function
  private.begin_model_call(uuid, bigint, uuid, text, jsonb, numeric, bigint, numeric, timestamptz),
  public.begin_model_call(uuid, bigint, uuid, text, jsonb, numeric, bigint, numeric, timestamptz),
  private.end_model_call(uuid, uuid, jsonb, timestamptz), public.end_model_call(uuid, uuid, jsonb, timestamptz)
  to service_role, analyst;
