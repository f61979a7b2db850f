-- The life of an account's keys (sealed, rotated, resealed under a newer master key, revoked), and the trail of
-- accounts: every change that somebody made to one leaves an event that names who.

-- Tables --------------------------------------------------------------------------------------------------

-- No foreign keys: the trail outlives the account, and its owner.
create table public.account_events (
  id bigint generated always as identity primary key,
  account_id uuid not null,
  user_id uuid not null,
  event_type text not null,
  -- A machine by its name, a user by `user <id>`, an operator by what the command line calls them.
  actor text not null,
  details jsonb not null default '{}',
  created_at timestamptz not null default clock_timestamp(),
  constraint "an event of an account has a type" check (event_type ~ '^[a-z][a-z_]{2,39}$'),
  constraint "an event of an account has somebody who did it" check (char_length(actor) between 1 and 120),
  constraint "details of an event are an object of a few kilobytes"
    check (jsonb_typeof(details) = 'object' and length(details::text) <= 8000)
);
comment on table public.account_events is
  'Who did what to an exchange account: keys, permissions, status, limits. Append-only. Keys are never in it.';
create index account_events_by_account on public.account_events (account_id, id);
create index account_events_by_user on public.account_events (user_id, id);

create trigger account_events_append_only before update or delete on public.account_events
  for each row execute function private.refuse_to_rewrite();
create trigger account_events_no_truncate before truncate on public.account_events
  for each statement execute function private.refuse_to_rewrite();

alter table public.exchange_accounts
  -- Counts the keys that the venue gave, one after the other; the same key under another seal keeps its number.
  add column key_number integer not null default 0,
  -- What the venue said of the key when it was asked last: its rights, its IP restriction, its end.
  add column key_info jsonb not null default '{}',
  add constraint "what a venue says of a key is an object of a few kilobytes"
    check (jsonb_typeof(key_info) = 'object' and length(key_info::text) <= 4000),
  -- Positions are still looked after: they need the key more than anybody else does.
  add constraint "an account opens nothing new while its key may withdraw"
    check (status <> 'active' or key_info -> 'may_withdraw' is distinct from 'true');

-- Functions: the trail ------------------------------------------------------------------------------------

-- Who is doing this. Only an operator says so themselves (setting sigtrail.actor); anyone else is who their token
-- says.
create function private.actor() returns text
language plpgsql stable
set search_path = ''
as $$
begin
  return left(case
    when private.caller_machine() is not null then private.caller_machine()
    when private.is_operator() then coalesce(nullif(current_setting('sigtrail.actor', true), ''), private.caller_role())
    else coalesce('user ' || auth.uid(), private.caller_role())
  end, 120);
end;
$$;

-- Add an event to the trail of an account.
create function private.note_account(account_id uuid, event_type text, details jsonb default '{}') returns void
language plpgsql security definer
set search_path = ''
as $$
begin
  insert into public.account_events (account_id, user_id, event_type, actor, details)
  select a.id, a.user_id, note_account.event_type, private.actor(), coalesce(note_account.details, '{}')
  from public.exchange_accounts a where a.id = note_account.account_id;
  if not found then
    raise exception 'there is no exchange account %', account_id using errcode = 'no_data_found';
  end if;
end;
$$;

-- Whichever way a change comes in, it is in the trail. A transaction says why in the setting sigtrail.reason.
create function private.record_account_change() returns trigger
language plpgsql security definer
set search_path = ''
as $$
declare
  who text := private.actor();
  why jsonb := jsonb_strip_nulls(jsonb_build_object('reason', nullif(left(current_setting('sigtrail.reason', true), 500), '')));
begin
  if tg_op = 'DELETE' then
    insert into public.account_events (account_id, user_id, event_type, actor, details)
    values (old.id, old.user_id, 'account_removed', who, why || jsonb_build_object('name', old.name));
    return null;
  end if;
  insert into public.account_events (account_id, user_id, event_type, actor, details)
  select new.id, new.user_id, e.event_type, who, why || e.details
  from (
    select 1 as nth, 'account_added' as event_type, jsonb_build_object('name', new.name, 'venue', new.venue,
      'market', new.market, 'sandbox', new.sandbox, 'permissions', new.permissions) as details
    where tg_op = 'INSERT'
    union all
    select 2, case
        when new.ciphertext is null then 'keys_revoked'
        when tg_op = 'INSERT' or old.ciphertext is null then 'keys_sealed'
        when new.key_number <> old.key_number then 'keys_rotated'
        else 'keys_resealed'
      end,
      jsonb_strip_nulls(jsonb_build_object('key_version', new.key_version, 'key_number', new.key_number,
        'key', case when new.ciphertext is not null then new.key_info end))
    where case tg_op when 'INSERT' then new.ciphertext is not null
      else new.ciphertext is distinct from old.ciphertext end
    union all
    select 3, 'permissions_changed', jsonb_build_object('from', old.permissions, 'to', new.permissions)
    where tg_op = 'UPDATE' and new.permissions <> old.permissions
    union all
    select 4, 'status_changed', jsonb_build_object('from', old.status, 'to', new.status)
    where tg_op = 'UPDATE' and new.status <> old.status
    union all
    select 5, 'settings_changed', jsonb_build_object('from', old.settings, 'to', new.settings)
    where tg_op = 'UPDATE' and new.settings <> old.settings
  ) e
  order by e.nth;
  return null;
end;
$$;

create trigger exchange_accounts_trail after insert or delete on public.exchange_accounts
  for each row execute function private.record_account_change();
-- Leases are renewed every few seconds, and are no news.
create trigger exchange_accounts_changes after update on public.exchange_accounts
  for each row when (old.ciphertext is distinct from new.ciphertext or old.permissions <> new.permissions
    or old.status <> new.status or old.settings <> new.settings)
  execute function private.record_account_change();

-- Functions: keys -----------------------------------------------------------------------------------------

-- An account for the rest of the transaction, or an error that says that there is none, or that it can have no keys.
create function private.lock_account_for_keys(account_id uuid) returns public.exchange_accounts
language plpgsql
set search_path = ''
as $$
declare
  account public.exchange_accounts := private.lock_account(account_id);
begin
  if account.venue = 'paper' then
    raise exception 'account % is a paper account, which has no keys', account_id
      using errcode = 'object_not_in_prerequisite_state';
  end if;
  return account;
end;
$$;

-- Another key that the venue gave for the same account. Whoever trades it now still has the old key in mind: its
-- fence is old from here on, and it takes the account again with the new key. Its lease stays, so that nobody else
-- trades the account in between.
create function private.rotate_account_keys(account_id uuid, ciphertext bytea, salt bytea, key_version integer,
  permissions text, key_info jsonb) returns void
language plpgsql
set search_path = ''
as $$
begin
  perform private.lock_account_for_keys(account_id);
  update public.exchange_accounts a
  set ciphertext = rotate_account_keys.ciphertext, salt = rotate_account_keys.salt,
    key_version = rotate_account_keys.key_version, permissions = rotate_account_keys.permissions,
    key_info = rotate_account_keys.key_info, key_number = a.key_number + 1, lease_fence = a.lease_fence + 1
  where a.id = account_id;
end;
$$;

-- The same key under a newer master key. Answers false when it is not sealed as `sealed` any more: somebody was
-- faster, and what they stored stays.
create function private.reseal_account_keys(account_id uuid, sealed bytea, ciphertext bytea, salt bytea,
  key_version integer) returns boolean
language plpgsql
set search_path = ''
as $$
declare
  account public.exchange_accounts := private.lock_account_for_keys(account_id);
begin
  if account.ciphertext is distinct from sealed then
    return false;
  end if;
  if key_version <= account.key_version then
    raise exception 'account % is sealed with key version % and is not resealed with version %', account_id,
      account.key_version, key_version using errcode = 'object_not_in_prerequisite_state';
  end if;
  update public.exchange_accounts a
  set ciphertext = reseal_account_keys.ciphertext, salt = reseal_account_keys.salt,
    key_version = reseal_account_keys.key_version
  where a.id = account_id;
  return true;
end;
$$;

-- The ciphertext is gone for good, and nobody trades the account. Refused while something is held or may still fill,
-- unless `leave` says that it is to be left to the venue.
create function private.revoke_account_keys(account_id uuid, leave boolean default false) returns void
language plpgsql
set search_path = ''
as $$
declare
  account public.exchange_accounts := private.lock_account_for_keys(account_id);
  held bigint;
  live bigint;
begin
  select count(*) into held from public.positions p where p.account_id = account.id and p.status <> 'closed';
  select count(*) into live from public.orders o where o.account_id = account.id and o.is_live;
  if held + live > 0 and not leave then
    raise exception 'account % has % open positions and % live orders, which nobody could close without its keys',
      account_id, held, live using errcode = 'object_not_in_prerequisite_state',
      hint = 'halt it first, which closes them';
  end if;
  update public.exchange_accounts a
  set ciphertext = null, salt = null, key_version = null, key_info = '{}', permissions = 'read', status = 'halted',
    lease_fence = a.lease_fence + 1
  where a.id = account_id;
end;
$$;

-- What the venue said of the key now. A right that it took away is taken away here too; one that it gave is only told,
-- since somebody may have marked the account read-only. While the key may withdraw, the account only reduces: it opens
-- nothing new until the key was verified without that right and a person lets it trade again. Answers its status.
create function private.note_verified_keys(account_id uuid, key_info jsonb, may_trade boolean)
returns public.account_status
language plpgsql
set search_path = ''
as $$
declare
  account public.exchange_accounts := private.lock_account_for_keys(account_id);
  known_reason text := coalesce(current_setting('sigtrail.reason', true), '');
begin
  if account.status = 'active' and key_info -> 'may_withdraw' = 'true' then
    account.status := 'reducing';
    perform set_config('sigtrail.reason', 'the venue says that its key may withdraw', true);
  end if;
  update public.exchange_accounts a
  set key_info = note_verified_keys.key_info, permissions = case when may_trade then a.permissions else 'read' end,
    status = account.status
  where a.id = account_id;
  perform set_config('sigtrail.reason', known_reason, true);
  perform private.note_account(account_id, 'keys_verified', jsonb_build_object('key', key_info));
  return account.status;
end;
$$;

-- Policies and grants -------------------------------------------------------------------------------------

alter table public.account_events enable row level security;
create policy "Users read the trail of their accounts" on public.account_events
  for select to authenticated using (user_id = (select auth.uid()));
grant select on public.account_events to authenticated, service_role;
grant select (key_number, key_info) on public.exchange_accounts to authenticated, service_role;
