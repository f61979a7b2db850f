-- Who decides about an account: its state changes with a reason, and only a person lifts a halt. All of it is in the
-- account's trail.

-- Functions -----------------------------------------------------------------------------------------------

-- Add an event with its reason and the domain's time. `by_rule` when a rule of this schema did it and nobody asked;
-- `who` is what an operator is called.
create function private.append_account_event(account_id uuid, event_type text, why text, details jsonb, at timestamptz,
  by_rule boolean default false, who text default null) returns void
language plpgsql security definer
set search_path = ''
as $$
declare
  known text := coalesce(current_setting('sigtrail.actor', true), '');
begin
  perform set_config('sigtrail.actor', coalesce(who, known), true);
  -- What others tell never takes the place of why, when and by whom.
  perform private.note_account(account_id, event_type, (coalesce(details, '{}') - 'by') || jsonb_strip_nulls(
    jsonb_build_object('reason', left(why, 500), 'at', at, 'by', case when by_rule then 'rule' end)));
  perform set_config('sigtrail.actor', known, true);
end;
$$;

-- A halt ends by set_account_status alone, which wants a reason.
create function private.keep_halt() returns trigger
language plpgsql
set search_path = ''
as $$
begin
  if coalesce(current_setting('sigtrail.lifts', true), '') <> old.id::text then
    raise exception 'account % is halted: only a person lifts that, with a reason', old.id
      using errcode = 'object_not_in_prerequisite_state', hint = 'call set_account_status(account_id, status, why)';
  end if;
  return new;
end;
$$;

create trigger exchange_accounts_halt before update of status on public.exchange_accounts
  for each row when (old.status = 'halted' and new.status <> 'halted')
  execute function private.keep_halt();

-- Set the state of an account that is locked already; its event says why.
create function private.move_account(account_id uuid, status public.account_status, why text, by_rule boolean,
  who text default null) returns void
language plpgsql
set search_path = ''
as $$
declare
  known_actor text := coalesce(current_setting('sigtrail.actor', true), '');
  known_reason text := coalesce(current_setting('sigtrail.reason', true), '');
begin
  perform set_config('sigtrail.reason', left(why, 500), true), set_config('sigtrail.actor', coalesce(who, known_actor), true),
    set_config('sigtrail.lifts', case when by_rule then '' else account_id::text end, true);
  update public.exchange_accounts a set status = move_account.status where a.id = account_id;
  perform set_config('sigtrail.reason', known_reason, true), set_config('sigtrail.actor', known_actor, true),
    set_config('sigtrail.lifts', '', true);
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
  if private.caller_machine() is not null then
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
    perform private.move_account(account.id, set_account_status.status, trim(why), false, who);
    if set_account_status.status = 'active' or account.status = 'halted' then
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

-- Grants -----------------------------------------------------------------------------------------------------

grant execute on function
  private.set_account_status(uuid, public.account_status, text, text),
  public.set_account_status(uuid, public.account_status, text, text)
  to authenticated, service_role;
