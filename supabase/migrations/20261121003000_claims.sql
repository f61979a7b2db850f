-- Claims: a machine takes work from the queue for a while, with a number that fences off whoever had it before. What
-- it does not finish in time goes back by itself.

-- Functions: what a claim hands over ----------------------------------------------------------------------

-- A signal as a role needs it. Money is text: a JSON number would become a float on its way.
create function private.signal_json(signal public.signals) returns jsonb
language plpgsql stable
set search_path = ''
as $$
begin
  return jsonb_build_object(
    'id', signal.id, 'user_id', signal.user_id, 'trader_id', signal.trader_id, 'status', signal.status,
    'symbol', signal.symbol, 'normalised_symbol', signal.normalised_symbol, 'interval', signal."interval",
    'side', signal.side, 'source', signal.source,
    'initial_price', signal.initial_price::text, 'current_price', signal.current_price::text,
    'matched_conditions', signal.matched_conditions, 'original_signal', signal.original_signal,
    'analysis_result', signal.analysis_result, 'analysis_confidence', signal.analysis_confidence::text,
    'analysis_trade_plan', signal.analysis_trade_plan, 'tags', signal.tags,
    'error_count', signal.error_count, 'retry_count', signal.retry_count,
    'has_active_orders', signal.has_active_orders, 'has_open_position', signal.has_open_position,
    'triggered_at', signal.triggered_at, 'analyzed_at', signal.analyzed_at, 'ready_at', signal.ready_at
  );
end;
$$;

create function private.trader_json(trader public.traders) returns jsonb
language plpgsql stable
set search_path = ''
as $$
begin
  return to_jsonb(trader) || jsonb_build_object(
    'min_confidence', trader.min_confidence::text,
    'position_size_value', trader.position_size_value::text,
    'stop_loss_value', trader.stop_loss_value::text,
    'take_profit_value', trader.take_profit_value::text,
    'trailing_stop_value', trader.trailing_stop_value::text,
    'total_pnl', trader.total_pnl::text
  );
end;
$$;

-- Functions: who may work where ---------------------------------------------------------------------------

create function private.check_stage(stage text) returns void
language plpgsql stable
set search_path = ''
as $$
begin
  if stage is null or stage not in ('analysis', 'monitoring', 'trading') then
    raise exception 'a stage is analysis, monitoring or trading, not %', coalesce(stage, '(null)')
      using errcode = 'invalid_parameter_value';
  end if;
  if not private.is_operator()
    and private.caller_role() <> (case stage when 'trading' then 'trading_bridge' else 'analyst' end) then
    raise exception 'role % does not work on %', private.caller_role(), stage using errcode = 'insufficient_privilege';
  end if;
  perform private.check_registered();
end;
$$;

create function private.check_lease(lease_seconds integer) returns void
language plpgsql immutable
set search_path = ''
as $$
begin
  if lease_seconds is null or lease_seconds not between 1 and 3600 then
    raise exception 'a lease lasts 1 to 3600 seconds, not %', coalesce(lease_seconds::text, '(null)')
      using errcode = 'invalid_parameter_value';
  end if;
end;
$$;

-- The clock of the caller is believed, unless it stands still for ever: that time would be in the trail for good.
create function private.check_clock(at timestamptz) returns void
language plpgsql immutable
set search_path = ''
as $$
begin
  if at is null or not isfinite(at) then
    raise exception 'at must be a time, not %', coalesce(at::text, '(null)') using errcode = 'invalid_parameter_value';
  end if;
end;
$$;

-- Functions: leases that ran out --------------------------------------------------------------------------

-- Takes back what machines did not finish in time: analyzing becomes new, with an event that says so; after the fifth
-- try the analysis has failed for good. Locks are taken or left, so this never waits. How many it took back.
create function private.return_expired_leases(max_rows integer default 1000) returns integer
language plpgsql security definer
set search_path = ''
set jit = off
set plan_cache_mode = force_generic_plan
as $$
declare
  most_attempts constant integer := 5;
  expired uuid[];
  locked uuid[];
  failed uuid[];
begin
  select array_agg(e.signal_id order by e.signal_id) into expired
  from (
    select q.signal_id from public.signal_queue q
    where q.leased_until < now()
    order by q.leased_until
    limit max_rows
    for update skip locked
  ) e;
  if expired is null then
    return 0;
  end if;
  select array_agg(l.id) into locked
  from (
    select s.id from public.signals s
    where s.id = any (expired) and s.id between expired[1] and expired[cardinality(expired)]
    order by s.id
    for no key update skip locked
  ) l;
  if locked is null then
    return 0;
  end if;

  select array_agg(q.signal_id) into failed
  from public.signal_queue q
  where q.signal_id = any (locked) and q.stage = 'analysis' and q.attempts >= most_attempts;

  update public.signal_queue q set leased_until = null, leased_by = null, fence = nextval('private.work_fences')
  where q.signal_id = any (locked);

  perform private.describe_change(jsonb_object_agg(f, jsonb_build_object(
    'event_type', 'analysis_failed',
    'error_info', jsonb_build_object('error', format('the lease ran out %s times', most_attempts))
  ))) from unnest(failed) f;
  update public.signals s set
    status = case when s.id = any (failed) then 'rejected'::public.signal_status else 'new' end,
    outcome_code = case when s.id = any (failed) then 'analysis_failed' end,
    -- The claim's time, so that market time goes on where the lease began.
    status_at = s.status_at,
    analyzed_at = case when s.id = any (failed) then s.status_at end,
    closed_at = case when s.id = any (failed) then s.status_at end,
    retry_count = s.retry_count + 1,
    updated_at = clock_timestamp()
  where s.id = any (locked) and s.id between locked[1] and locked[cardinality(locked)] and s.status = 'analyzing';
  return cardinality(locked);
end;
$$;

-- Functions: claiming -------------------------------------------------------------------------------------

-- Ends the claimed signals whose traders have used their analyses of that day up, and counts the others. Which
-- of them are over the limit.
create function private.use_analyses(claimed uuid[], at timestamptz) returns uuid[]
language plpgsql
set search_path = ''
as $$
declare
  over_limit uuid[];
begin
  with uncounted as (
    select s.id, s.trader_id, private.utc_day(s.triggered_at) as day,
      row_number() over (partition by s.trader_id, private.utc_day(s.triggered_at) order by s.id) as place
    from public.signals s
    join public.signal_queue q on q.signal_id = s.id and not q.counted
    where s.id = any (claimed) and s.id between claimed[1] and claimed[cardinality(claimed)]
  ), used as (
    insert into public.trader_usage_daily as u (trader_id, day, analyses)
    select f.trader_id, f.day, count(*) from uncounted f
    group by 1, 2
    order by 1, 2
    on conflict (trader_id, day) do update set analyses = u.analyses + excluded.analyses
    returning u.trader_id, u.day, u.analyses
  )
  select array_agg(f.id order by f.id) into over_limit
  from uncounted f
  join used u on u.trader_id = f.trader_id and u.day = f.day
  join public.traders t on t.id = f.trader_id
  where f.place + u.analyses - (
    select count(*) from uncounted o where o.trader_id = f.trader_id and o.day = f.day
  ) > t.ai_analysis_limit;
  update public.signal_queue q set counted = true where q.signal_id = any (claimed) and not q.counted;
  if over_limit is null then
    return '{}'::uuid[];
  end if;
  update public.signals s set
    status = 'rejected', status_at = at, analyzed_at = at, closed_at = at, outcome_code = 'analysis_limit',
    updated_at = clock_timestamp()
  where s.id = any (over_limit) and s.id between over_limit[1] and over_limit[cardinality(over_limit)];
  return over_limit;
end;
$$;

-- A machine that names the highest fence it knows of this stage (after_fence, 0 after a restart) is given again what
-- it claimed since: the answer to that claim never reached it, and nobody else may work on it now.
create function private.claim_work(
  stage text, max_rows integer, lease_seconds integer, at timestamptz, after_fence bigint
) returns table (
  signal_id uuid, fence bigint, attempts integer, available_at timestamptz, signal jsonb, trader jsonb
)
language plpgsql security definer
set search_path = ''
set jit = off
set plan_cache_mode = force_generic_plan
as $$
declare
  machine text := private.caller_name();
  unanswered uuid[] := '{}'::uuid[];
  due uuid[];
  least_id uuid;
  greatest_id uuid;
  claimed uuid[];
  over_limit uuid[];
begin
  perform private.check_stage(stage);
  perform private.check_lease(lease_seconds);
  perform private.check_clock(at);
  if max_rows is null or max_rows not between 1 and 1000 then
    raise exception 'a claim takes 1 to 1000 signals, not %', coalesce(max_rows::text, '(null)')
      using errcode = 'invalid_parameter_value';
  end if;
  perform private.return_expired_leases();
  if stage = 'analysis' then
    perform private.queue_arrivals(at, max_rows);
  end if;

  -- Two locks, both taken or left: the queue's row first, against other claims, then the signal's, against whoever
  -- changes it right now. Waiting for the second would be the wrong way round for everyone else.
  if after_fence is not null then
    unanswered := array(
      select q.signal_id from public.signal_queue q
      where q.leased_until is not null and q.leased_by = machine and q.fence > after_fence
        and q.stage = claim_work.stage
      order by q.signal_id
      limit max_rows
      for update skip locked
    );
  end if;
  due := unanswered || array(
    select q.signal_id from public.signal_queue q
    where q.stage = claim_work.stage and q.available_at <= at and q.leased_until is null
      and (claim_work.stage <> 'trading' or private.may_trade(q.signal_id, machine))
    order by q.available_at, q.signal_id
    limit max_rows - cardinality(unanswered)
    for update skip locked
  );
  select min(d::text)::uuid, max(d::text)::uuid into least_id, greatest_id from unnest(due) d;
  select array_agg(l.id) into claimed
  from (
    select s.id from public.signals s
    where s.id = any (due) and s.id between least_id and greatest_id
    order by s.id
    for no key update skip locked
  ) l;
  if claimed is null then
    return;
  end if;

  update public.signal_queue q set
    leased_until = clock_timestamp() + interval '1 second' * lease_seconds,
    leased_by = machine, fence = nextval('private.work_fences'), attempts = q.attempts + 1
  where q.signal_id = any (claimed);

  if stage = 'analysis' then
    -- What ended while it was being queued waits for nobody.
    with ended as (
      delete from public.signal_queue q using public.signals s
      where q.signal_id = any (claimed) and s.id = q.signal_id
        and s.id between claimed[1] and claimed[cardinality(claimed)] and s.status not in ('new', 'analyzing')
      returning q.signal_id
    )
    select array_agg(c order by c) into claimed from unnest(claimed) c where c not in (select e.signal_id from ended e);
    if claimed is null then
      return;
    end if;
    update public.signals s set status = 'analyzing', status_at = at, updated_at = clock_timestamp()
    where s.id = any (claimed) and s.id between claimed[1] and claimed[cardinality(claimed)] and s.status = 'new';
    over_limit := private.use_analyses(claimed, at);
    claimed := array(select c from unnest(claimed) c where c <> all (over_limit) order by c);
  end if;

  return query
  select q.signal_id, q.fence, q.attempts, q.available_at, private.signal_json(s), private.trader_json(t)
  from public.signal_queue q
  join public.signals s on s.id = q.signal_id
    and s.id between claimed[1] and claimed[cardinality(claimed)]
  left join public.traders t on t.id = s.trader_id
  where q.signal_id = any (claimed)
  order by q.signal_id;
end;
$$;

-- Whether this machine may take a ready signal: no other machine holds the lease of its trader's account.
create function private.may_trade(signal_id uuid, machine text) returns boolean
language plpgsql stable
set search_path = ''
as $$
begin
  return not exists (
    select from public.signals s
    join public.traders t on t.id = s.trader_id
    join public.exchange_accounts a on a.id = t.default_exchange_account_id
    where s.id = may_trade.signal_id
      and a.lease_machine <> machine and a.leased_until > clock_timestamp()
  );
end;
$$;

-- Functions: keeping and giving back ----------------------------------------------------------------------

-- The leases that a caller names and still holds, locked: the signals first, in order of id. Fences are consecutive
-- numbers that another machine can guess, so the lease must be the caller's own; an operator may act for any.
create function private.held_leases(stage text, signals jsonb) returns uuid[]
language plpgsql
set search_path = ''
as $$
declare
  -- Once, and not for each row of the queue.
  is_operator boolean := private.is_operator();
  caller text := private.caller_name();
  named uuid[];
begin
  perform private.check_batch(signals, 'signals');
  select array_agg(distinct private.uuid_of(i ->> 'signal_id')) into named
  from jsonb_array_elements(signals) i;
  perform 1 from public.signals s where s.id = any (named) order by s.id for no key update;
  return array(
    select q.signal_id
    from public.signal_queue q
    join jsonb_array_elements(signals) i
      on private.uuid_of(i ->> 'signal_id') = q.signal_id and i ->> 'fence' = q.fence::text
    where q.signal_id = any (named) and q.stage = held_leases.stage and q.leased_until is not null
      and (is_operator or q.leased_by = caller)
    order by q.signal_id
    for update of q
  );
end;
$$;

create function private.lost_leases(signals jsonb, held uuid[]) returns jsonb
language plpgsql stable
set search_path = ''
as $$
begin
  return (
    select coalesce(jsonb_agg(i -> 'signal_id'), '[]')
    from jsonb_array_elements(signals) i
    where private.uuid_of(i ->> 'signal_id') is null or private.uuid_of(i ->> 'signal_id') <> all (held)
  );
end;
$$;

create function private.renew_work(stage text, signals jsonb, lease_seconds integer) returns jsonb
language plpgsql security definer
set search_path = ''
set jit = off
set plan_cache_mode = force_generic_plan
as $$
declare
  held uuid[];
begin
  perform private.check_stage(stage);
  perform private.check_lease(lease_seconds);
  held := private.held_leases(stage, signals);
  update public.signal_queue q set leased_until = clock_timestamp() + interval '1 second' * lease_seconds
  where q.signal_id = any (held);
  return jsonb_build_object('renewed', cardinality(held), 'lost', private.lost_leases(signals, held));
end;
$$;

create function private.release_work(stage text, signals jsonb, available_at timestamptz) returns jsonb
language plpgsql security definer
set search_path = ''
set jit = off
set plan_cache_mode = force_generic_plan
as $$
declare
  held uuid[];
begin
  perform private.check_stage(stage);
  held := private.held_leases(stage, signals);
  update public.signal_queue q set
    leased_until = null, leased_by = null, fence = nextval('private.work_fences'), attempts = q.attempts - 1,
    available_at = coalesce(release_work.available_at, q.available_at)
  where q.signal_id = any (held);
  perform private.describe_change(jsonb_object_agg(q.signal_id, jsonb_build_object(
    'event_type', 'status_changed', 'available_at', q.available_at
  ))) from public.signal_queue q where q.signal_id = any (held);
  update public.signals s set status = 'new', status_at = s.status_at, updated_at = clock_timestamp()
  where s.id = any (held) and s.status = 'analyzing';
  return jsonb_build_object('released', cardinality(held), 'lost', private.lost_leases(signals, held));
end;
$$;

-- How much work a stage has: due now, leased, later, and when the first of those becomes due.
create function private.work_waiting(stage text, at timestamptz) returns jsonb
language plpgsql stable security definer
set search_path = ''
as $$
begin
  perform private.check_stage(stage);
  return (
    select jsonb_build_object(
      'due', q.due + coalesce(a.due, 0), 'leased', q.leased, 'later', q.later + coalesce(a.later, 0),
      'next_at', least(q.next_at, a.next_at))
    from (
      select count(*) filter (where q.leased_until is null and q.available_at <= at) as due,
        count(*) filter (where q.leased_until is not null) as leased,
        count(*) filter (where q.leased_until is null and q.available_at > at) as later,
        min(q.available_at) filter (where q.leased_until is null and q.available_at > at) as next_at
      from public.signal_queue q where q.stage = work_waiting.stage
    ) q
    cross join (
      select sum(cardinality(a.signal_ids) - i.later) as due, sum(i.later) as later,
        min(public.signal_time(i.next_id)) as next_at
      from private.arrivals a
      cross join lateral (
        select count(*) as later, (array_agg(i order by i))[1] as next_id
        from unnest(a.signal_ids) i
        where a.last_id >= private.first_id_after(at) and i >= private.first_id_after(at)
      ) i
      where work_waiting.stage = 'analysis'
    ) a
  );
end;
$$;

-- The interface -------------------------------------------------------------------------------------------

create function public.claim_work(
  stage text, max_rows integer default 100, lease_seconds integer default 30, at timestamptz default now(),
  after_fence bigint default null
) returns table (
  signal_id uuid, fence bigint, attempts integer, available_at timestamptz, signal jsonb, trader jsonb
)
language plpgsql
set search_path = ''
as $$
begin
  return query select * from private.claim_work(stage, max_rows, lease_seconds, at, after_fence);
end;
$$;

create function public.renew_work(stage text, signals jsonb, lease_seconds integer default 30) returns jsonb
language plpgsql
set search_path = ''
as $$
begin
  return private.renew_work(stage, signals, lease_seconds);
end;
$$;

create function public.release_work(stage text, signals jsonb, available_at timestamptz default null) returns jsonb
language plpgsql
set search_path = ''
as $$
begin
  return private.release_work(stage, signals, available_at);
end;
$$;

create function public.work_waiting(stage text, at timestamptz default now()) returns jsonb
language plpgsql stable
set search_path = ''
as $$
begin
  return private.work_waiting(stage, at);
end;
$$;

grant execute on function
  private.claim_work(text, integer, integer, timestamptz, bigint),
  public.claim_work(text, integer, integer, timestamptz, bigint),
  private.renew_work(text, jsonb, integer), public.renew_work(text, jsonb, integer),
  private.release_work(text, jsonb, timestamptz), public.release_work(text, jsonb, timestamptz),
  private.work_waiting(text, timestamptz), public.work_waiting(text, timestamptz)
  to service_role, analyst, trading_bridge;
