-- Backtests that somebody keeps: what strategies would have come to on recorded candles. They are worked out without the
-- database, and say nothing about signals, orders or positions that there ever were.

-- Tables --------------------------------------------------------------------------------------------------

create table public.backtests (
  id uuid primary key default gen_random_uuid(),
  user_id uuid not null references public.users (id) on delete cascade,
  name text not null,
  -- The market time that was played.
  starts_at timestamptz not null,
  ends_at timestamptz not null,
  -- What all its traders came to together, for lists.
  figures jsonb not null,
  -- The report without its curve and its trades: whole traders, their figures, and the terms of the account.
  report jsonb not null,
  -- {step_ms, points: [{at, equity, low, drawdown_percent, open}]}
  equity jsonb not null,
  trades jsonb not null,
  created_at timestamptz not null default now(),
  constraint "a backtest has a name of at most 200 characters" check (length(trim(name)) between 1 and 200),
  constraint "a backtest ends after its start" check (ends_at > starts_at and isfinite(starts_at) and isfinite(ends_at)),
  constraint "a backtest has figures" check (jsonb_typeof(figures) = 'object'),
  constraint "a report fits in 2 MB" check (jsonb_typeof(report) = 'object' and octet_length(report::text) <= 2097152),
  constraint "a curve has 1 to 10000 points and fits in 4 MB"
    check (jsonb_array_length(equity -> 'points') between 1 and 10000 and octet_length(equity::text) <= 4194304),
  constraint "the trades of a backtest are a list of at most 50000 that fits in 32 MB"
    check (jsonb_array_length(trades) <= 50000 and octet_length(trades::text) <= 33554432)
);
comment on table public.backtests is
  'What strategies would have come to on recorded candles, as `sigtrail strategies backtest` reports it.';
create index backtests_by_user on public.backtests (user_id, created_at desc);

-- Functions -----------------------------------------------------------------------------------------------

-- Keep a report: a person their own, an operator anybody's. Answers its id.
create function private.save_backtest(report jsonb, owner uuid) returns uuid
language plpgsql security definer
set search_path = ''
as $$
declare
  most constant integer := 200;
  keeper uuid := (select auth.uid());
  kept integer;
  made uuid;
begin
  if private.caller_machine() is not null then
    raise exception 'machine % keeps no backtests: a person does', private.caller_name()
      using errcode = 'insufficient_privilege';
  end if;
  if private.is_operator() then
    keeper := owner;
  elsif owner is not null and owner <> keeper then
    raise exception 'a backtest is kept for oneself' using errcode = 'insufficient_privilege';
  end if;
  -- Locked, so that two who save at once do not both take the last place.
  perform 1 from public.users u where u.id = keeper for no key update;
  if not found then
    raise exception 'there is no user %', coalesce(keeper::text, '(nobody)') using errcode = 'no_data_found';
  end if;
  if report ->> 'version' is distinct from '1' or jsonb_typeof(report -> 'equity' -> 'points') is distinct from 'array'
    or jsonb_typeof(report -> 'trades') is distinct from 'array' or private.moment(report ->> 'starts_at') is null
    or private.moment(report ->> 'ends_at') is null then
    raise exception 'this is no report of a backtest of version 1'
      using errcode = 'invalid_parameter_value', hint = 'sigtrail strategies backtest --json prints one';
  end if;
  select count(*) into kept from public.backtests b where b.user_id = keeper;
  if kept >= most then
    raise exception 'a user keeps at most % backtests', most
      using errcode = 'program_limit_exceeded', hint = 'remove some first';
  end if;
  insert into public.backtests (user_id, name, starts_at, ends_at, figures, report, equity, trades)
  values (keeper, report ->> 'name', private.moment(report ->> 'starts_at'), private.moment(report ->> 'ends_at'),
    report -> 'figures', report - array['equity', 'trades'], report -> 'equity', report -> 'trades')
  returning id into made;
  return made;
end;
$$;

create function public.save_backtest(report jsonb, owner uuid default null) returns uuid
language plpgsql
set search_path = ''
as $$
begin
  return private.save_backtest(report, owner);
end;
$$;

-- Policies and grants -------------------------------------------------------------------------------------

alter table public.backtests enable row level security;

create policy "Users read their backtests" on public.backtests
  for select to authenticated using (user_id = (select auth.uid()));
create policy "Users remove their backtests" on public.backtests
  for delete to authenticated using (user_id = (select auth.uid()));

-- Written by the function alone, and never changed.
grant select, delete on public.backtests to authenticated, service_role;
grant execute on function private.save_backtest(jsonb, uuid), public.save_backtest(jsonb, uuid)
  to authenticated, service_role;
