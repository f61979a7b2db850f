-- Results: what analysts and monitors found out about the signals that they hold, and how a signal is given up. Each
-- item of a batch is judged for itself: one that lost its lease or says something impossible is refused with a reason.

-- Functions: judging --------------------------------------------------------------------------------------

-- What is wrong with a plan, null when nothing is.
create function private.plan_problem(plan jsonb, at timestamptz) returns text
language plpgsql stable
set search_path = ''
as $$
declare
  side text := plan ->> 'side';
  entry numeric := private.decimal(plan ->> 'entry');
  stop numeric := private.decimal(plan ->> 'stop_loss');
  take numeric := private.decimal(plan ->> 'take_profit');
begin
  return case
    when plan is null or jsonb_typeof(plan) <> 'object' then 'plan is missing'
    when side is null or side not in ('long', 'short') then 'plan.side must be long or short'
    when plan ->> 'entry_type' is null or plan ->> 'entry_type' not in ('market', 'limit', 'post_only', 'stop')
      then 'plan.entry_type must be market, limit, post_only or stop'
    when entry is null or entry <= 0 then 'plan.entry must be a price above zero'
    when stop is null or stop <= 0 then 'plan.stop_loss must be a price above zero'
    when take is null or take <= 0 then 'plan.take_profit must be a price above zero'
    when side = 'long' and not (stop < entry and entry < take)
      then 'plan of a long must have stop_loss below entry below take_profit'
    when side = 'short' and not (take < entry and entry < stop)
      then 'plan of a short must have take_profit below entry below stop_loss'
    when plan ->> 'size' is not null and coalesce(private.decimal(plan ->> 'size'), 0) <= 0
      then 'plan.size must be above zero'
    when private.decimal(plan ->> 'reward_to_risk') is null then 'plan.reward_to_risk must be a decimal'
    when private.moment(plan ->> 'valid_until') is null then 'plan.valid_until must be a time'
    when private.moment(plan ->> 'valid_until') <= at then 'plan.valid_until is over'
  end;
end;
$$;

create function private.outcome_problem(outcome_code text, ending public.signal_status) returns text
language plpgsql stable
set search_path = ''
as $$
begin
  return case
    when outcome_code is null then 'outcome_code is missing'
    when not exists (
      select from public.outcome_codes o where o.code = outcome_code and o.status = ending
    ) then format('outcome_code %s is no reason to be %s', outcome_code, ending)
  end;
end;
$$;

-- Items of a batch that concern a signal which the caller does not hold at this stage, with the number it names.
-- Locks the signals first, in order of id, then their rows in the queue.
create type private.judged_item as (
  index integer,
  signal_id uuid,
  item jsonb,
  code text,
  message text
);

create function private.judge_leases(stage text, items jsonb, noun text) returns private.judged_item[]
language plpgsql
set search_path = ''
as $$
declare
  held uuid[];
  -- One look at all of them, where they are few or well; what is large or strange is looked at for itself.
  is_sound boolean;
begin
  perform private.check_stage(stage);
  perform private.check_batch(items, noun);
  is_sound := private.json_fits(items, 16777216);
  held := private.held_leases(stage, items);
  return (
    select array_agg(row(
      i.index - 1, i.signal_id, i.item,
      case
        when i.signal_id is null or not i.fits then 'bad_result'
        when i.place > 1 then 'duplicate'
        when i.signal_id <> all (held) then 'lease_lost'
      end,
      case
        when not i.fits then 'the item must fit in 64 KB, with numbers between -1e40 and 1e40'
        when i.signal_id is null then 'signal_id is missing or no uuid'
        when i.place > 1 then 'the signal stands twice in this batch'
        when i.signal_id <> all (held) then 'the signal is not held with this fence at stage ' || stage
      end
    )::private.judged_item order by i.index)
    from (
      select e.item, e.index, e.signal_id,
        -- A number within bounds is written with at most twenty letters for each byte that it is stored in.
        is_sound and pg_column_size(e.item) <= 12000 or private.json_fits(e.item) as fits,
        row_number() over (partition by e.signal_id order by e.index) as place
      from (
        select a.item, a.index, private.uuid_of(a.item ->> 'signal_id') as signal_id
        from jsonb_array_elements(items) with ordinality a (item, index)
      ) e
    ) i
  );
end;
$$;

-- The signals of the items that can be done, in order: the first and the last bound every look at the history, so that
-- days which the batch does not concern are left alone.
create function private.done_items(judged private.judged_item[]) returns uuid[]
language plpgsql immutable
set search_path = ''
as $$
begin
  return array(select j.signal_id from unnest(judged) j where j.code is null order by j.signal_id);
end;
$$;

create function private.answer(judged private.judged_item[]) returns jsonb
language plpgsql immutable
set search_path = ''
as $$
begin
  return (
    select jsonb_build_object(
      'done', count(*) filter (where j.code is null),
      'refused', coalesce(jsonb_agg(jsonb_build_object(
        'index', j.index, 'signal_id', j.signal_id, 'code', j.code, 'message', j.message
      ) order by j.index) filter (where j.code is not null), '[]')
    )
    from unnest(judged) j
  );
end;
$$;

-- Functions: analysis -------------------------------------------------------------------------------------

create function private.complete_analysis(results jsonb, at timestamptz) returns jsonb
language plpgsql security definer
set search_path = ''
set jit = off
set plan_cache_mode = force_generic_plan
as $$
declare
  done uuid[];
  judged private.judged_item[] := private.judge_leases('analysis', results, 'results');
  held uuid[] := private.done_items(judged);
begin
  perform private.check_clock(at);
  judged := array(
    select row(j.index, j.signal_id, j.item, coalesce(j.code, case when p.problem is not null then 'bad_result' end),
      coalesce(j.message, p.problem))::private.judged_item
    from unnest(judged) j
    left join public.signals s on s.id = j.signal_id and s.id between held[1] and held[cardinality(held)]
    cross join lateral (
      select case
        when private.decimal(j.item ->> 'confidence') is null
          or private.decimal(j.item ->> 'confidence') not between 0 and 1
          then 'confidence must be a decimal between 0 and 1'
        when j.item ->> 'verdict' = 'approved' then coalesce(private.plan_problem(j.item -> 'plan', at),
          case when j.item #>> '{plan,side}' <> s.side::text then format('plan.side must be %s, as the signal''s', s.side) end)
        when j.item ->> 'verdict' = 'rejected' then private.outcome_problem(j.item ->> 'outcome_code', 'rejected')
        else 'verdict must be approved or rejected'
      end as problem
    ) p
    order by j.index
  );
  done := private.done_items(judged);

  update public.signals s set
    status = case j.item ->> 'verdict' when 'approved' then 'monitoring'::public.signal_status else 'rejected' end,
    status_at = at,
    analyzed_at = at,
    analysis_confidence = private.decimal(j.item ->> 'confidence'),
    analysis_result = nullif(j.item -> 'result', 'null'),
    analysis_trade_plan = nullif(j.item -> 'plan', 'null'),
    outcome_code = case j.item ->> 'verdict' when 'rejected' then j.item ->> 'outcome_code' end,
    closed_at = case j.item ->> 'verdict' when 'rejected' then at end,
    updated_at = clock_timestamp()
  from unnest(judged) j
  where j.code is null and s.id = j.signal_id and s.id between done[1] and done[cardinality(done)];
  return private.answer(judged);
end;
$$;

create function private.fail_analysis(results jsonb, at timestamptz) returns jsonb
language plpgsql security definer
set search_path = ''
set jit = off
set plan_cache_mode = force_generic_plan
as $$
declare
  done uuid[];
  judged private.judged_item[] := private.judge_leases('analysis', results, 'results');
begin
  perform private.check_clock(at);
  judged := array(
    select row(j.index, j.signal_id, j.item, coalesce(j.code, case when p.problem is not null then 'bad_result' end),
      coalesce(j.message, p.problem))::private.judged_item
    from unnest(judged) j
    cross join lateral (
      select case
        when coalesce(j.item ->> 'error', '') = '' then 'error is missing'
        when j.item ->> 'retry_at' is not null and private.moment(j.item ->> 'retry_at') is null
          then 'retry_at must be a time'
      end as problem
    ) p
    order by j.index
  );
  done := private.done_items(judged);

  perform private.describe_change(jsonb_object_agg(j.signal_id, jsonb_build_object(
    'event_type', 'analysis_failed', 'available_at', j.item -> 'retry_at',
    'error_info', jsonb_build_object('error', left(j.item ->> 'error', 2000))
  ))) from unnest(judged) j where j.code is null;
  update public.signals s set
    status = case when j.item ->> 'retry_at' is not null then 'new'::public.signal_status else 'rejected' end,
    status_at = at,
    analyzed_at = case when j.item ->> 'retry_at' is null then at end,
    closed_at = case when j.item ->> 'retry_at' is null then at end,
    outcome_code = case when j.item ->> 'retry_at' is null then 'analysis_failed' end,
    error_count = s.error_count + 1,
    retry_count = s.retry_count + case when j.item ->> 'retry_at' is null then 0 else 1 end,
    updated_at = clock_timestamp()
  from unnest(judged) j
  where j.code is null and s.id = j.signal_id and s.id between done[1] and done[cardinality(done)];
  return private.answer(judged);
end;
$$;

-- Functions: monitoring -----------------------------------------------------------------------------------

create function private.record_monitoring(snapshots jsonb, at timestamptz) returns jsonb
language plpgsql security definer
set search_path = ''
set jit = off
set plan_cache_mode = force_generic_plan
as $$
declare
  done uuid[];
  judged private.judged_item[] := private.judge_leases('monitoring', snapshots, 'snapshots');
begin
  perform private.check_clock(at);
  judged := array(
    select row(j.index, j.signal_id, j.item, coalesce(j.code, case when p.problem is not null then 'bad_result' end),
      coalesce(j.message, p.problem))::private.judged_item
    from unnest(judged) j
    cross join lateral (
      select case
        when coalesce(private.decimal(j.item ->> 'price'), 0) <= 0 then 'price must be above zero'
        when private.decimal(coalesce(j.item ->> 'volume', '0')) is null
          or private.decimal(coalesce(j.item ->> 'price_change_1m', '0')) is null
          or private.decimal(coalesce(j.item ->> 'price_change_5m', '0')) is null
          or private.decimal(coalesce(j.item ->> 'confidence', '0')) is null then 'volume, price_change_1m, price_change_5m and confidence must be decimals'
        when private.decimal(j.item ->> 'confidence') not between 0 and 1 then 'confidence must lie between 0 and 1'
        when j.item ->> 'action' is null or j.item ->> 'action' not in ('continue', 'ready', 'exit', 'stop_monitoring')
          then 'action must be continue, ready, exit or stop_monitoring'
        when j.item ->> 'next_at' is not null and private.moment(j.item ->> 'next_at') is null
          then 'next_at must be a time'
        when j.item ->> 'at' is not null and private.moment(j.item ->> 'at') is null then 'at must be a time'
        when j.item ->> 'action' in ('exit', 'stop_monitoring') and j.item ->> 'outcome_code' is not null
          then private.outcome_problem(j.item ->> 'outcome_code', 'expired')
      end as problem
    ) p
    order by j.index
  );
  done := private.done_items(judged);

  insert into public.signal_monitoring_snapshots (
    signal_id, user_id, occurred_at, number, action, price, volume, price_change_1m, price_change_5m, confidence,
    reasoning, indicators
  )
  select j.signal_id, s.user_id, coalesce(private.moment(j.item ->> 'at'), at),
    coalesce((
      select l.number + 1 from public.signal_monitoring_snapshots l
      where l.signal_id = j.signal_id and l.signal_id between done[1] and done[cardinality(done)]
      order by l.number desc limit 1
    ), 1),
    j.item ->> 'action', private.decimal(j.item ->> 'price'), private.decimal(j.item ->> 'volume'),
    private.decimal(j.item ->> 'price_change_1m'), private.decimal(j.item ->> 'price_change_5m'),
    private.decimal(j.item ->> 'confidence'), j.item ->> 'reasoning', nullif(j.item -> 'indicators', 'null')
  from unnest(judged) j
  join public.signals s on s.id = j.signal_id and s.id between done[1] and done[cardinality(done)]
  where j.code is null
    -- Sent again, because the answer was lost, or looked at again by who took it over: it is recorded already.
    and not (j.item ->> 'action' = 'continue' and exists (
      select from public.signal_monitoring_snapshots l
      where l.signal_id = j.signal_id and l.signal_id between done[1] and done[cardinality(done)]
        and l.action = 'continue'
        and (l.occurred_at = at or l.occurred_at >= private.moment(j.item ->> 'at'))
    ))
  order by j.signal_id;

  -- What goes on waits for its next look, and any machine may take it then; unless its monitor keeps it in memory
  -- (hold): then the lease goes on as it is, and should it be lost, the signal is due at once.
  update public.signal_queue q set
    leased_until = case j.item -> 'hold' when 'true' then q.leased_until end,
    leased_by = case j.item -> 'hold' when 'true' then q.leased_by end,
    attempts = 0,
    available_at = case j.item -> 'hold' when 'true' then at else coalesce(private.moment(j.item ->> 'next_at'),
      at + interval '1 second' * coalesce((
        select t.monitoring_interval_seconds from public.traders t
        join public.signals s on s.trader_id = t.id
        where s.id = q.signal_id and s.id between done[1] and done[cardinality(done)]
      ), 60)) end
  from unnest(judged) j
  where j.code is null and q.signal_id = j.signal_id and j.item ->> 'action' = 'continue';

  perform private.describe_change(jsonb_object_agg(j.signal_id, jsonb_build_object(
    'event_data', jsonb_build_object('action', j.item -> 'action')
  ))) from unnest(judged) j where j.code is null and j.item ->> 'action' <> 'continue';
  update public.signals s set
    current_price = private.decimal(j.item ->> 'price'),
    status = case j.item ->> 'action'
      when 'continue' then s.status when 'ready' then 'ready' else 'expired' end,
    status_at = case j.item ->> 'action' when 'continue' then s.status_at else at end,
    ready_at = case j.item ->> 'action' when 'ready' then at else s.ready_at end,
    closed_at = case when j.item ->> 'action' in ('exit', 'stop_monitoring') then at end,
    outcome_code = case j.item ->> 'action'
      when 'exit' then coalesce(j.item ->> 'outcome_code', 'setup_invalidated')
      when 'stop_monitoring' then coalesce(j.item ->> 'outcome_code', 'monitoring_timeout')
    end,
    updated_at = clock_timestamp()
  from unnest(judged) j
  where j.code is null and s.id = j.signal_id and s.id between done[1] and done[cardinality(done)];
  return private.answer(judged);
end;
$$;

-- Functions: giving up ------------------------------------------------------------------------------------

create function private.expire_signals(items jsonb, at timestamptz) returns jsonb
language plpgsql security definer
set search_path = ''
set jit = off
set plan_cache_mode = force_generic_plan
as $$
declare
  stages text[] := case private.caller_role()
    when 'analyst' then array['new', 'analyzing', 'monitoring']
    when 'trading_bridge' then array['ready', 'in_position']
    else array['new', 'analyzing', 'monitoring', 'ready', 'in_position']
  end;
  named uuid[];
  done uuid[];
  judged private.judged_item[];
begin
  perform private.check_clock(at);
  perform private.check_batch(items, 'items');
  select array_agg(private.uuid_of(i ->> 'signal_id')) into named from jsonb_array_elements(items) i;
  perform 1 from public.signals s where s.id = any (named) order by s.id for no key update;

  judged := array(
    select row(i.index - 1, i.signal_id, i.item, split_part(p.problem, ': ', 1), split_part(p.problem, ': ', 2)
      )::private.judged_item
    from (
      select e.item, e.index, private.uuid_of(e.item ->> 'signal_id') as signal_id,
        row_number() over (partition by private.uuid_of(e.item ->> 'signal_id') order by e.index) as place
      from jsonb_array_elements(items) with ordinality e (item, index)
    ) i
    left join public.signals s on s.id = i.signal_id
    left join public.signal_queue q on q.signal_id = i.signal_id
    cross join lateral (
      select case
        when s.id is null then 'unknown_signal: the signal is not recorded'
        when i.place > 1 then 'duplicate: the signal stands twice in this batch'
        when s.closed_at is not null then 'already_final: the signal is ' || s.status || ' already'
        when s.status::text <> all (stages) then 'wrong_stage: this role does not give up signals that are ' || s.status
        when s.has_open_position then 'has_open_position: the signal has an open position'
        when s.has_active_orders then 'has_active_orders: the signal has orders at the venue'
        when q.leased_until is not null and i.item ->> 'fence' is distinct from q.fence::text
          then 'lease_lost: the signal is held with another fence'
        when q.leased_until is not null and not private.is_operator() and q.leased_by <> private.caller_name()
          then 'lease_lost: the signal is held by another machine'
        when private.outcome_problem(i.item ->> 'outcome_code', 'expired') is not null
          then 'bad_outcome: ' || private.outcome_problem(i.item ->> 'outcome_code', 'expired')
      end as problem
    ) p
    order by i.index
  );
  done := private.done_items(judged);

  perform private.describe_change(jsonb_object_agg(j.signal_id, jsonb_build_object(
    'event_data', jsonb_strip_nulls(jsonb_build_object('message', left(j.item ->> 'message', 2000)))
  ))) from unnest(judged) j where j.code is null and j.item ->> 'message' is not null;
  update public.signals s set
    status = 'expired', status_at = at, closed_at = at, outcome_code = j.item ->> 'outcome_code',
    updated_at = clock_timestamp()
  from unnest(judged) j
  where j.code is null and s.id = j.signal_id and s.id between done[1] and done[cardinality(done)];
  return private.answer(judged);
end;
$$;

-- The interface -------------------------------------------------------------------------------------------

create function public.complete_analysis(results jsonb, at timestamptz default now()) returns jsonb
language plpgsql
set search_path = ''
as $$
begin
  return private.complete_analysis(results, at);
end;
$$;

create function public.fail_analysis(results jsonb, at timestamptz default now()) returns jsonb
language plpgsql
set search_path = ''
as $$
begin
  return private.fail_analysis(results, at);
end;
$$;

create function public.record_monitoring(snapshots jsonb, at timestamptz default now()) returns jsonb
language plpgsql
set search_path = ''
as $$
begin
  return private.record_monitoring(snapshots, at);
end;
$$;

create function public.expire_signals(items jsonb, at timestamptz default now()) returns jsonb
language plpgsql
set search_path = ''
as $$
begin
  return private.expire_signals(items, at);
end;
$$;

grant execute on function
  private.complete_analysis(jsonb, timestamptz), public.complete_analysis(jsonb, timestamptz),
  private.fail_analysis(jsonb, timestamptz), public.fail_analysis(jsonb, timestamptz),
  private.record_monitoring(jsonb, timestamptz), public.record_monitoring(jsonb, timestamptz)
  to service_role, analyst;
grant execute on function private.expire_signals(jsonb, timestamptz), public.expire_signals(jsonb, timestamptz)
  to service_role, analyst, trading_bridge;
