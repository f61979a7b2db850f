-- Exchange accounts: whose they are, what may be done with them, their sealed keys, and which machine trades
-- them now. The keys are AES-256-GCM ciphertext, sealed and opened only in the bridge; only the bridge that holds
-- an account's lease can read even the ciphertext.

create type public.account_status as enum (
  'active',   -- trades
  'reducing', -- opens nothing new, lets open positions run to their end
  'halted'    -- opens nothing new and flattens what is open
);

-- Functions that the table needs ----------------------------------------------------------------------------

-- What an owner may set: few known names, each of its kind and size. The bridge computes with them.
create function private.settings_are_sound(settings jsonb) returns boolean
language sql immutable strict parallel safe
set search_path = ''
as $$
  select jsonb_typeof(settings) = 'object' and length(settings::text) <= 2000 and not exists (
    select from jsonb_each(settings) s
    where case
      when s.key in ('leverage', 'max_drift_percent', 'latency_ms', 'slippage', 'participation',
        'margin_warn_distance', 'margin_reduce_distance', 'margin_close_distance',
        'margin_warn_share', 'margin_reduce_share', 'margin_close_share')
        then coalesce(s.value #>> '{}' !~ '^[0-9]{1,9}(\.[0-9]{1,12})?$', true)
      when s.key in ('attached', 'fake') then jsonb_typeof(s.value) <> 'boolean'
      when s.key = 'starting' then jsonb_typeof(s.value) <> 'object'
      else true
    end);
$$;

-- Tables --------------------------------------------------------------------------------------------------

create table public.exchange_accounts (
  id uuid primary key default gen_random_uuid(),
  user_id uuid not null default auth.uid() references public.users (id) on delete cascade,
  name text not null,
  -- ccxt's id of the venue, or `paper`.
  venue text not null,
  market text not null,
  sandbox boolean not null default true,
  permissions text not null default 'read',
  status public.account_status not null default 'active',
  -- `leverage` (most notional value as a multiple of equity), `max_drift_percent`, `margin_*` (when nearness to
  -- liquidation is warned of, reduced and closed, in percent), and for paper `starting`.
  settings jsonb not null default '{}',
  ciphertext bytea,
  salt bytea,
  key_version integer,
  lease_machine text,
  -- Grows with every claim: a process that lost its lease carries an old number and is refused.
  lease_fence bigint not null default 0,
  leased_until timestamptz,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  -- What a trader's account has to match: the account, and its owner.
  unique (id, user_id),
  unique (user_id, name),
  constraint "an account has a name" check (char_length(name) between 1 and 80),
  constraint "a venue is named as ccxt names it" check (venue ~ '^[a-z0-9_]{1,40}$'),
  constraint "an account trades spot or usdm" check (market in ('spot', 'usdm')),
  constraint "an account may be read, or traded" check (permissions in ('read', 'trade')),
  constraint "settings are few, known and sound" check (private.settings_are_sound(settings)),
  constraint "keys are sealed whole, or there are none" check (num_nulls(ciphertext, salt, key_version) in (0, 3)),
  constraint "a paper account has no keys" check (venue <> 'paper' or ciphertext is null),
  constraint "a lease has a machine and an end" check ((lease_machine is null) = (leased_until is null))
);

create trigger exchange_accounts_touch before update on public.exchange_accounts
  for each row when (old.* is distinct from new.* and old.leased_until is not distinct from new.leased_until)
  execute function private.touch();

-- Orders what bridges are told of an account's state and limits.
create sequence private.terms_numbers;

-- A trader trades on an account of its own owner, never on a stranger's.
alter table public.traders
  add constraint "a trader's account belongs to its owner"
  foreign key (default_exchange_account_id, user_id) references public.exchange_accounts (id, user_id)
  on delete set null (default_exchange_account_id);
create index traders_by_account on public.traders (default_exchange_account_id, user_id);

-- Functions -----------------------------------------------------------------------------------------------

-- An account as its bridge sees it. Keys go as base64, numbers as they stand in settings.
create function private.account_json(account public.exchange_accounts) returns jsonb
language plpgsql stable
set search_path = ''
as $$
begin
  return jsonb_build_object(
    'account_id', account.id, 'user_id', account.user_id, 'name', account.name, 'venue', account.venue,
    'market', account.market, 'sandbox', account.sandbox, 'permissions', account.permissions,
    'status', account.status, 'settings', account.settings, 'fence', account.lease_fence,
    'opened_at', account.created_at,
    'ciphertext', translate(encode(account.ciphertext, 'base64'), E'\n', ''),
    'salt', translate(encode(account.salt, 'base64'), E'\n', ''), 'key_version', account.key_version);
end;
$$;

-- Take the leases of accounts that are free, run out, or this machine's already (after a restart): at most
-- `max_rows`, or exactly those in `accounts` that can be had. Each gets a new fence. Signals of these accounts
-- that were claimed for trading are free again: whoever claimed them cannot trade them any more.
create function private.claim_accounts(max_rows integer, lease_seconds integer, accounts uuid[]) returns jsonb
language plpgsql security definer
set search_path = ''
as $$
declare
  machine text := private.caller_machine();
  claimed jsonb;
  ids uuid[];
begin
  if machine is null then
    raise exception 'only a machine can hold an account: the token names none'
      using errcode = 'insufficient_privilege';
  end if;
  if lease_seconds not between 1 and 3600 or max_rows not between 1 and 1000 then
    raise exception 'an account is leased for 1 to 3600 seconds, 1 to 1000 at a time; not % for % s',
      max_rows, lease_seconds using errcode = 'invalid_parameter_value';
  end if;
  with free as (
    select a.id from public.exchange_accounts a
    where a.permissions = 'trade'
      and (a.leased_until is null or a.leased_until < clock_timestamp() or a.lease_machine = machine)
      and (claim_accounts.accounts is null or a.id = any (claim_accounts.accounts))
    order by a.id
    limit max_rows
    for no key update skip locked
  ), taken as (
    update public.exchange_accounts a
    set lease_machine = machine, lease_fence = a.lease_fence + 1,
      leased_until = clock_timestamp() + make_interval(secs => lease_seconds)
    from free where a.id = free.id
    returning a.*
  )
  select coalesce(jsonb_agg(private.account_json(taken::public.exchange_accounts) order by taken.id), '[]'),
    array_agg(taken.id)
  into claimed, ids from taken;
  perform private.free_trading_work(ids);
  return claimed;
end;
$$;

-- Keep leases, and hear of what their owners changed and want closed. Only a lease that still runs is kept: one that
-- ended is claimed again, with a new fence, or is somebody else's. `lost` names those that another machine has, that
-- ended, or whose fence is old: stop trading them at once. `free` names accounts that nobody holds, such as those of a
-- machine that died, and this machine's that ended, got new keys, or whose claim's answer was lost: claim them, they may
-- have positions. `number` orders answers: terms of a lower one are older.
create function private.renew_accounts(accounts jsonb, lease_seconds integer) returns jsonb
language plpgsql security definer
set search_path = ''
as $$
declare
  machine text := private.caller_machine();
  ids uuid[];
  fences bigint[];
  kept uuid[];
  number bigint;
  answer jsonb;
begin
  perform private.check_batch(accounts, 'accounts');
  if lease_seconds not between 1 and 3600 then
    raise exception 'an account is leased for 1 to 3600 seconds, not %', lease_seconds
      using errcode = 'invalid_parameter_value';
  end if;
  select array_agg(private.uuid_of(item ->> 'account_id')), array_agg((item ->> 'fence')::bigint) into ids, fences
  from jsonb_array_elements(accounts) item;
  -- Never waits: an account that somebody changes at this moment keeps the lease that it has until the next renewal,
  -- and all others are renewed now.
  select array_agg(k.id) into kept from (
    select a.id from public.exchange_accounts a
    join unnest(ids, fences) held (id, fence) on held.id = a.id and held.fence = a.lease_fence
    where a.lease_machine = machine and a.leased_until >= clock_timestamp()
    order by a.id
    for no key update of a skip locked) k;
  update public.exchange_accounts a
  set leased_until = clock_timestamp() + make_interval(secs => lease_seconds)
  where a.id = any (kept);
  -- Under the locks, as where else terms are answered: a higher number was read later.
  number := nextval('private.terms_numbers');
  select jsonb_build_object(
    'renewed', coalesce((select jsonb_agg(jsonb_build_object('account_id', r.id, 'status', r.status,
      'permissions', r.permissions, 'settings', r.settings, 'number', number,
      -- Whose owner looks at it: then the prices of what is held are told, too.
      'watched', private.is_watched(r.user_id),
      'limits', (select private.limits_json(l) from public.risk_limits l where l.account_id = r.id and l.user_id = r.user_id),
      -- Those of its traders whose losses are limited: what they lost changes while nobody sets anything.
      'traders', coalesce((select jsonb_object_agg(l.trader_id, private.limits_json(l)) from public.risk_limits l
        join public.traders t on t.id = l.trader_id and t.default_exchange_account_id = r.id
        where l.user_id = r.user_id and num_nonnulls(l.max_daily_loss, l.max_drawdown) > 0), '{}'),
      -- Positions that a person wants closed.
      'closing', coalesce((select jsonb_agg(p.signal_id order by p.signal_id) from public.positions p
        where p.account_id = r.id and p.status = 'open' and p.exit_reason = 'manual_close'), '[]'))
      order by r.id) from public.exchange_accounts r where r.id = any (kept)), '[]'),
    'lost', coalesce((select jsonb_agg(held.id order by held.id) from unnest(ids, fences) held (id, fence)
      where not exists (select from public.exchange_accounts a where a.id = held.id and a.lease_fence = held.fence
        and a.lease_machine = machine and a.leased_until >= clock_timestamp())), '[]'),
    'free', coalesce((select jsonb_agg(f.id order by f.id) from (
      select a.id from public.exchange_accounts a
      where a.permissions = 'trade'
        and (a.leased_until is null or a.leased_until < clock_timestamp() or (a.lease_machine = machine
          and not exists (select from unnest(ids, fences) held (id, fence)
            where held.id = a.id and held.fence = a.lease_fence)))
      -- Any hundred of them: the first hundred may be of no use to who asks, and would hide the others for good.
      order by random() limit 100) f), '[]'))
  into answer;
  return answer;
end;
$$;

-- Give leases back, so that another machine can take the accounts at once.
create function private.release_accounts(accounts jsonb) returns integer
language plpgsql security definer
set search_path = ''
as $$
declare
  released integer;
begin
  perform private.check_batch(accounts, 'accounts');
  update public.exchange_accounts a
  set lease_machine = null, leased_until = null
  from jsonb_array_elements(accounts) item
  where a.id = private.uuid_of(item ->> 'account_id') and a.lease_fence = (item ->> 'fence')::bigint
    and a.lease_machine = private.caller_machine();
  get diagnostics released = row_count;
  return released;
end;
$$;

-- An account, locked for the rest of the transaction.
create function private.lock_account(account_id uuid) returns public.exchange_accounts
language plpgsql
set search_path = ''
as $$
declare
  account public.exchange_accounts;
begin
  select * into account from public.exchange_accounts a where a.id = account_id for no key update;
  if not found then
    raise exception 'there is no exchange account %', account_id using errcode = 'no_data_found';
  end if;
  return account;
end;
$$;

-- Store keys that a bridge has sealed (base64). Only the ciphertext crosses: the database never sees a key.
create function private.seal_account(account_id uuid, ciphertext text, salt text, key_version integer) returns void
language plpgsql security definer
set search_path = ''
as $$
declare
  account public.exchange_accounts := private.lock_account(account_id);
begin
  -- Keys that are there are replaced by the bridge that trades with them, and by no other machine.
  if account.ciphertext is not null and (account.lease_machine is distinct from private.caller_machine()
    or account.leased_until < clock_timestamp()) then
    raise exception 'machine % does not hold account %, whose keys are sealed already', private.caller_machine(),
      account_id using errcode = 'insufficient_privilege';
  end if;
  update public.exchange_accounts a
  set ciphertext = decode(seal_account.ciphertext, 'base64'), salt = decode(seal_account.salt, 'base64'),
    key_version = seal_account.key_version
  where a.id = account_id;
end;
$$;

-- Lock an account for the rest of the transaction, for the machine that holds this fence. Every function of
-- the bridge that changes something calls it first: the account is the first lock in the order of locks.
create function private.hold_account(account_id uuid, fence bigint) returns public.exchange_accounts
language plpgsql
set search_path = ''
as $$
declare
  account public.exchange_accounts := private.lock_account(account_id);
begin
  if account.lease_fence is distinct from fence
    or account.lease_machine is distinct from private.caller_machine() then
    raise exception 'machine % does not hold account % with fence %', private.caller_machine(), account_id, fence
      using errcode = 'object_not_in_prerequisite_state',
        hint = 'another process took the account: stop trading it, and claim it again if it is free';
  end if;
  return account;
end;
$$;

create function public.claim_accounts(
  max_rows integer default 100, lease_seconds integer default 60, accounts uuid[] default null
) returns jsonb
language plpgsql
set search_path = ''
as $$
begin
  return private.claim_accounts(max_rows, lease_seconds, accounts);
end;
$$;

create function public.renew_accounts(accounts jsonb, lease_seconds integer default 60) returns jsonb
language plpgsql
set search_path = ''
as $$
begin
  return private.renew_accounts(accounts, lease_seconds);
end;
$$;

create function public.release_accounts(accounts jsonb) returns integer
language plpgsql
set search_path = ''
as $$
begin
  return private.release_accounts(accounts);
end;
$$;

create function public.seal_account(account_id uuid, ciphertext text, salt text, key_version integer) returns void
language plpgsql
set search_path = ''
as $$
begin
  perform private.seal_account(account_id, ciphertext, salt, key_version);
end;
$$;

-- Policies and grants -------------------------------------------------------------------------------------

alter table public.exchange_accounts enable row level security;

create policy "Users read their accounts" on public.exchange_accounts
  for select to authenticated using (user_id = (select auth.uid()));
create policy "Users open accounts of their own" on public.exchange_accounts
  for insert to authenticated with check (user_id = (select auth.uid()));
create policy "Users change their accounts' settings" on public.exchange_accounts
  for update to authenticated using (user_id = (select auth.uid())) with check (user_id = (select auth.uid()));
create policy "A bridge reads the accounts that it holds" on public.exchange_accounts
  for select to trading_bridge
  using (lease_machine = (select private.caller_machine()) and leased_until > now());

-- By column: nobody but the bridge reads ciphertext and salt. (So `select *` is refused to people; name columns.)
grant select (id, user_id, name, venue, market, sandbox, permissions, status, settings, key_version,
  lease_machine, leased_until, created_at, updated_at) on public.exchange_accounts to authenticated, service_role;
grant insert (user_id, name, venue, market, sandbox, permissions, settings) on public.exchange_accounts
  to authenticated, service_role;
grant update (name, status, settings) on public.exchange_accounts to authenticated, service_role;
grant delete on public.exchange_accounts to service_role;
grant select on public.exchange_accounts to trading_bridge;
-- A CHECK runs with the rights of who writes the row.
grant execute on function private.settings_are_sound(jsonb) to authenticated, service_role;
grant execute on function
  private.claim_accounts(integer, integer, uuid[]), public.claim_accounts(integer, integer, uuid[]),
  private.renew_accounts(jsonb, integer), public.renew_accounts(jsonb, integer),
  private.release_accounts(jsonb), public.release_accounts(jsonb),
  private.seal_account(uuid, text, text, integer), public.seal_account(uuid, text, text, integer)
  to trading_bridge;
