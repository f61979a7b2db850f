-- What happened to an account beside its orders: who changed its state and why, limits that were set, warnings,
-- emergency closes. Append-only, and read by its owner. Only a person lifts a halt.

-- Tables --------------------------------------------------------------------------------------------------

create table public.account_events (
  id bigint generated always as identity primary key,
  account_id uuid,
  trader_id uuid,
  user_id uuid not null,
  event_type text not null,
  -- Who: the owner or an operator (people), a machine, or the rules of this schema.
  actor_kind text not null,
  actor text not null,
  why text not null,
  event_data jsonb not null default '{}',
  -- The domain's time; created_at is the database's.
  occurred_at timestamptz not null,
  created_at timestamptz not null default now(),
  tx bigint not null default (pg_current_xact_id()::text::bigint),
  constraint "an event is about an account or a trader" check (num_nonnulls(account_id, trader_id) >= 1),
  constraint "an event has a type" check (event_type in ('status_changed', 'limits_changed', 'close_requested',
    'margin_warning', 'margin_reduction', 'venue_closed', 'external_order', 'journal_told')),
  constraint "an event has an owner, operator, machine or rule behind it"
    check (actor_kind in ('owner', 'operator', 'machine', 'rule')),
  constraint "a reason has 1 to 500 letters" check (char_length(why) between 1 and 500)
);
create index account_events_by_account on public.account_events (account_id, id desc);
create index account_events_by_trader on public.account_events (trader_id, id desc) where trader_id is not null;
create index account_events_by_user on public.account_events (user_id, id desc);

create trigger account_events_append_only before update or delete on public.account_events
  for each row execute function private.refuse_to_rewrite();
create trigger account_events_no_truncate before truncate on public.account_events
  for each statement execute function private.refuse_to_rewrite();

-- Functions -----------------------------------------------------------------------------------------------

create function private.caller_kind() returns text
language plpgsql stable
set search_path = ''
as $$
begin
  return case when private.caller_machine() is not null then 'machine'
    when private.is_operator() then 'operator' else 'owner' end;
end;
$$;

-- Append an event. `by_rule` when nobody asked for it. What an operator calls himself stands beside his role.
create function private.append_account_event(account public.exchange_accounts, event_type text, why text,
  event_data jsonb, at timestamptz, by_rule boolean default false, who text default null) returns void
language plpgsql security definer
set search_path = ''
as $$
declare
  kind text := case when by_rule then 'rule' else private.caller_kind() end;
begin
  insert into public.account_events (account_id, user_id, event_type, actor_kind, actor, why, event_data, occurred_at)
  values (account.id, account.user_id, event_type, kind,
    case kind when 'rule' then 'risk limits' when 'owner' then coalesce((select auth.uid())::text, 'unknown')
      when 'operator' then concat_ws(' as ', left(who, 100), private.caller_role())
      else private.caller_name() end,
    left(why, 500), coalesce(event_data, '{}'), at);
end;
$$;

-- Every change of an account's state leaves an event, whichever way it was made. A halt ends by
-- set_account_status alone, which wants a reason.
create function private.follow_account_status() returns trigger
language plpgsql security definer
set search_path = ''
as $$
declare
  why text := nullif(current_setting('sigtrail.why', true), '');
begin
  if old.status = 'halted' and coalesce(current_setting('sigtrail.lifts', true), '') <> old.id::text then
    raise exception 'account % is halted: only a person lifts that, with a reason', old.id
      using errcode = 'object_not_in_prerequisite_state', hint = 'call set_account_status(account_id, status, why)';
  end if;
  perform private.append_account_event(new, 'status_changed', coalesce(why, 'no reason was given'),
    jsonb_build_object('from', old.status, 'to', new.status)
      || coalesce(nullif(current_setting('sigtrail.data', true), '')::jsonb, '{}'),
    coalesce(nullif(current_setting('sigtrail.at', true), '')::timestamptz, clock_timestamp()),
    current_setting('sigtrail.rule', true) = 'on', nullif(current_setting('sigtrail.who', true), ''));
  return new;
end;
$$;

create trigger exchange_accounts_status before update of status on public.exchange_accounts
  for each row when (old.status is distinct from new.status)
  execute function private.follow_account_status();

-- Set the state of an account that is locked already, with what its event says.
create function private.move_account(account_id uuid, status public.account_status, why text, event_data jsonb,
  at timestamptz, by_rule boolean, who text default null) returns void
language plpgsql
set search_path = ''
as $$
begin
  perform set_config('sigtrail.why', left(why, 500), true), set_config('sigtrail.data', event_data::text, true),
    set_config('sigtrail.at', at::text, true), set_config('sigtrail.who', coalesce(who, ''), true),
    set_config('sigtrail.rule', case when by_rule then 'on' else 'off' end, true),
    set_config('sigtrail.lifts', case when by_rule then '' else account_id::text end, true);
  update public.exchange_accounts a set status = move_account.status where a.id = account_id;
  perform set_config('sigtrail.why', '', true), set_config('sigtrail.data', '', true), set_config('sigtrail.at', '', true),
    set_config('sigtrail.who', '', true), set_config('sigtrail.rule', '', true), set_config('sigtrail.lifts', '', true);
end;
$$;

-- Lock an account for a person who may decide about it: its owner or an operator, never a machine.
create function private.account_of_person(account_id uuid, why text) returns public.exchange_accounts
language plpgsql
set search_path = ''
as $$
declare
  account public.exchange_accounts;
begin
  if private.caller_kind() = 'machine' then
    raise exception 'machine % cannot decide this: a person does', private.caller_name()
      using errcode = 'insufficient_privilege';
  end if;
  if char_length(coalesce(trim(why), '')) not between 3 and 500 then
    raise exception 'say why, in 3 to 500 letters: it stays in the account''s trail'
      using errcode = 'invalid_parameter_value';
  end if;
  select * into account from public.exchange_accounts a
  where a.id = account_id and (a.user_id = (select auth.uid()) or private.is_operator()) for no key update;
  if not found then
    raise exception 'there is no exchange account %', account_id using errcode = 'no_data_found';
  end if;
  return account;
end;
$$;

-- Let an account trade, only reduce, or halt it. Lifting a halt measures its losses anew: what halted it would
-- halt it again with the next fill.
create function private.set_account_status(account_id uuid, status public.account_status, why text, who text) returns text
language plpgsql security definer
set search_path = ''
as $$
declare
  account public.exchange_accounts := private.account_of_person(account_id, why);
begin
  if account.status <> set_account_status.status then
    perform private.move_account(account.id, set_account_status.status, trim(why), '{}', clock_timestamp(), false, who);
    if set_account_status.status = 'active' then
      perform private.measure_anew(account.id);
    end if;
    perform private.wake('trading', 1);
  end if;
  return set_account_status.status;
end;
$$;

create function public.set_account_status(account_id uuid, status public.account_status, why text, who text default null)
returns text
language plpgsql
set search_path = ''
as $$
begin
  return private.set_account_status(account_id, status, why, who);
end;
$$;

-- Policies and grants -------------------------------------------------------------------------------------

alter table public.account_events enable row level security;

create policy "Users read their accounts' events" on public.account_events
  for select to authenticated using (user_id = (select auth.uid()));

grant select on public.account_events to authenticated, service_role;
grant execute on function
  private.set_account_status(uuid, public.account_status, text, text),
  public.set_account_status(uuid, public.account_status, text, text)
  to authenticated, service_role;
