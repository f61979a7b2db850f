-- The signals: one row a firing, kept by day of its id. Status changes go through functions; what a plain insert or
-- update must obey stands here and in the files of the trail, the queue and the counts.

-- Types ---------------------------------------------------------------------------------------------------

create type public.signal_source as enum ('local', 'cloud');

-- Tables --------------------------------------------------------------------------------------------------

create table public.signals (
  id uuid not null,
  user_id uuid not null,
  trader_id uuid not null,
  machine_id uuid,

  triggered_at timestamptz not null,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  status_at timestamptz not null default now(),
  analyzed_at timestamptz,
  ready_at timestamptz,
  position_opened_at timestamptz,
  closed_at timestamptz,

  status public.signal_status not null default 'new',
  source public.signal_source not null default 'local',
  side public.trade_side not null,
  error_count integer not null default 0,
  retry_count integer not null default 0,
  total_orders_count integer not null default 0,
  has_active_orders boolean not null default false,
  has_open_position boolean not null default false,

  symbol text not null,
  normalised_symbol text not null,
  "interval" text not null,
  outcome_code text,

  initial_price numeric not null,
  current_price numeric,
  total_pnl numeric not null default 0,
  analysis_confidence numeric,

  matched_conditions jsonb not null default '[]',
  original_signal jsonb,
  analysis_result jsonb,
  analysis_trade_plan jsonb,
  tags text[],

  -- The id orders by time, finds the partition and deduplicates: the only key.
  primary key (id),

  constraint "a price is above zero and finite" check (initial_price > 0 and initial_price < 'infinity'),
  constraint "an end has its time and its reason, and nothing else has"
    check (
      (status in ('rejected', 'closed', 'expired')) = (closed_at is not null)
      and (closed_at is null) = (outcome_code is null)
    ),
  constraint "a signal has the times of the states that it went through"
    check (
      (status not in ('monitoring', 'ready', 'in_position', 'closed') or analyzed_at is not null)
      and (status not in ('ready', 'in_position', 'closed') or ready_at is not null)
      and (status not in ('in_position', 'closed') or position_opened_at is not null)
    ),
  constraint "a signal has at most 20 tags" check (cardinality(tags) <= 20),
  constraint "the tags of a signal have at most 2000 letters" check (length(array_to_string(tags, '')) <= 2000)
) partition by range (id);

comment on column public.signals.triggered_at is
  'The close of the candle that fired, to the millisecond that the id holds. Ask for times by bounds on the id.';
comment on column public.signals.status_at is 'The domain''s time of the last change of status.';
comment on column public.signals.closed_at is 'When the signal ended, whichever way.';

-- The whole index set. None has the status in it, or status changes would no longer be HOT updates.
-- The symbol comes last: it neither orders nor bounds, but whoever asks for one symbol reads the rows of that one alone.
-- In the second it costs 13 bytes a signal and no time that could be measured; without it a trader's signals of a symbol
-- would be looked for among all of the user's.
create index signals_user_id_id_idx on public.signals (user_id, id desc, symbol);
create index signals_trader_id_id_idx on public.signals (trader_id, id desc, symbol);

-- Functions and triggers ----------------------------------------------------------------------------------

-- Keeps the bookkeeping of a plain update true: the functions set these columns themselves and never get here.
create function private.touch_signal() returns trigger
language plpgsql
set search_path = ''
as $$
begin
  new.updated_at := now();
  if new.status <> old.status then
    -- Before the checks of the table, which would speak of missing times instead.
    if not exists (
      select from public.status_transitions t where t.from_status = old.status and t.to_status = new.status
    ) then
      raise exception 'signal % cannot go from % to %', old.id, old.status, new.status
        using errcode = 'check_violation', hint = 'the allowed changes are in status_transitions';
    end if;
    if new.status_at is not distinct from old.status_at then
      new.status_at := now();
    end if;
    case new.status
      when 'monitoring' then new.analyzed_at := coalesce(new.analyzed_at, new.status_at);
      when 'ready' then new.ready_at := coalesce(new.ready_at, new.status_at);
      when 'in_position' then new.position_opened_at := coalesce(new.position_opened_at, new.status_at);
      when 'rejected' then
        new.analyzed_at := coalesce(new.analyzed_at, new.status_at);
        new.closed_at := coalesce(new.closed_at, new.status_at);
      when 'closed', 'expired' then new.closed_at := coalesce(new.closed_at, new.status_at);
      else null;
    end case;
  end if;
  return new;
end;
$$;

create trigger signals_touch before update on public.signals
  for each row when (new.updated_at is not distinct from old.updated_at)
  execute function private.touch_signal();

create function private.refuse_new_identity() returns trigger
language plpgsql
set search_path = ''
as $$
begin
  raise exception 'signal % keeps its id, owner, trader, symbol, interval, time and what fired', old.id
    using errcode = 'check_violation', hint = 'a signal that fired otherwise is another signal';
end;
$$;

-- All that a seal covers of a signal's row. What it covers as text is compared as text: 1.5 and 1.50 are equal numbers.
create trigger signals_keep_identity
  before update of id, user_id, trader_id, symbol, normalised_symbol, "interval", triggered_at, created_at, source,
    machine_id, side, initial_price, matched_conditions, original_signal
  on public.signals
  for each row
  when ((old.id, old.user_id, old.trader_id, old.symbol, old.normalised_symbol, old."interval", old.triggered_at,
      old.created_at, old.source, old.machine_id, old.side, old.initial_price::text, old.matched_conditions::text,
      old.original_signal::text)
    is distinct from (new.id, new.user_id, new.trader_id, new.symbol, new.normalised_symbol, new."interval",
      new.triggered_at, new.created_at, new.source, new.machine_id, new.side, new.initial_price::text,
      new.matched_conditions::text, new.original_signal::text))
  execute function private.refuse_new_identity();

-- The signals of these ids, which come in order. A plan that knows the ids leaves all other days alone; one for any ids
-- locks and prunes them with every call, and is made anew, for all days, whenever one of them was vacuumed or analysed.
-- The days' bounds decide which is looked at: the other checks need not be read for that.
create function private.signals_of(ids uuid[]) returns public.signals[]
language plpgsql stable
set search_path = ''
set plan_cache_mode = force_custom_plan
set constraint_exclusion = off
as $$
begin
  -- One, as a rule: its plan takes two thirds of the time.
  if cardinality(ids) = 1 then
    return array(select s from public.signals s where s.id = ids[1]);
  end if;
  return array(
    select s from public.signals s where s.id = any (ids) and s.id between ids[1] and ids[cardinality(ids)] order by s.id);
end;
$$;

-- Locks them, in order of id. Answers them as they are under the lock. That they are locked is known for the rest of the
-- transaction (private.holds_signal).
create function private.lock_signals(ids uuid[]) returns public.signals[]
language plpgsql
set search_path = ''
set plan_cache_mode = force_custom_plan
set constraint_exclusion = off
as $$
begin
  perform set_config('sigtrail.held_signals', ids::text, true);
  if cardinality(ids) = 1 then
    return array(select s from public.signals s where s.id = ids[1] for no key update);
  end if;
  return array(
    select l from (
      select s.* from public.signals s
      where s.id = any (ids) and s.id between ids[1] and ids[cardinality(ids)]
      order by s.id for no key update
    ) l);
end;
$$;

-- Whether this transaction has locked this signal by lock_signals. A rollback to before the lock takes the setting back
-- with it.
create function private.holds_signal(id uuid) returns boolean
language plpgsql stable
set search_path = ''
as $$
begin
  return coalesce(id = any (nullif(current_setting('sigtrail.held_signals', true), '')::uuid[]), false);
end;
$$;

-- The human name of a signal, a computed field of the REST interface: BTCUSDT-1759487400000.
create function public.human_name(signal public.signals) returns text
language plpgsql stable
set search_path = ''
as $$
begin
  return signal.symbol || '-' || private.unix_ms(signal.triggered_at);
end;
$$;

-- The trader of a signal, a relationship of the REST interface: a foreign key would halve the speed of ingest.
create function public.trader(signal public.signals) returns setof public.traders
rows 1
language sql stable
set search_path = ''
as $$
  select t.* from public.traders t where t.id = signal.trader_id;
$$;

-- Policies and grants -------------------------------------------------------------------------------------

alter table public.signals enable row level security;

create policy "Users read their signals" on public.signals
  for select to authenticated using (user_id = (select auth.uid()));
create policy "Users record their browser's signals" on public.signals
  for insert to authenticated with check (user_id = (select auth.uid()) and source = 'local');
create policy "Users tag their signals" on public.signals
  for update to authenticated
  using (user_id = (select auth.uid())) with check (user_id = (select auth.uid()));

grant select on public.signals to authenticated, service_role;
grant insert (
  id, user_id, trader_id, symbol, normalised_symbol, "interval", triggered_at, side, status, source,
  initial_price, matched_conditions, original_signal, tags
) on public.signals to authenticated;
grant update (tags) on public.signals to authenticated;
grant insert, update on public.signals to service_role;
grant execute on function public.human_name(public.signals), public.trader(public.signals)
  to authenticated, service_role;
