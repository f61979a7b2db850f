-- Closing by hand: one position, one account, everything. A person asks for it here, the trail keeps who and why, and
-- the bridge that holds the account carries it out, or the next one that takes it.

-- Functions -----------------------------------------------------------------------------------------------

-- Flatten one position at the market. Its protection stays until the exit needs its balance.
create function private.close_position(position_id uuid, why text, who text) returns jsonb
language plpgsql security definer
set search_path = ''
as $$
declare
  position public.positions;
  account public.exchange_accounts;
  at timestamptz;
begin
  select * into position from public.positions p where p.id = position_id;
  if not found or not (position.user_id = (select auth.uid()) or private.is_operator()) then
    raise exception 'there is no position %', position_id using errcode = 'no_data_found';
  end if;
  -- The account, the signal, the position: the order of locks that all functions keep.
  account := private.account_of_person(position.account_id, why);
  perform 1 from public.signals s where s.id = position.signal_id for no key update;
  select * into position from public.positions p where p.id = position_id for no key update;
  if position.status = 'closed' then
    return jsonb_build_object('position_id', position.id, 'state', 'closed', 'exit_reason', position.exit_reason);
  end if;
  if position.exit_reason is null then
    -- A replay's time may be behind ours: what follows from it must not be older than the position.
    at := greatest(position.opened_at, position.status_at);
    update public.positions p set exit_reason = 'manual_close', status_at = at where p.id = position.id
    returning * into position;
    perform private.append_signal_events(jsonb_build_array(jsonb_build_object('signal_id', position.signal_id,
      'event_type', 'position_updated', 'position_id', position.id, 'location', 'operator',
      'event_data', jsonb_build_object('exit_reason', 'manual_close', 'message', trim(why),
        'amount', trim_scale(position.amount)::text))), at);
    perform private.append_account_event(account.id, 'close_requested', trim(why), jsonb_build_object(
      'position_id', position.id, 'symbol', position.symbol, 'amount', trim_scale(position.amount)::text),
      clock_timestamp(), false, who);
    perform private.wake('trading', 1);
  end if;
  return jsonb_build_object('position_id', position.id, 'state', 'closing', 'exit_reason', position.exit_reason);
end;
$$;

-- Halt one account: what is open is flattened, what rests is cancelled, and nothing new is opened before a person
-- lifts the halt.
create function private.close_account(account_id uuid, why text, who text) returns jsonb
language plpgsql security definer
set search_path = ''
as $$
declare
  account public.exchange_accounts := private.account_of_person(account_id, why);
  held jsonb;
begin
  select jsonb_build_object(
    'positions', (select count(*) from public.positions p where p.account_id = account.id and p.status = 'open'),
    'orders', (select count(*) from public.orders o where o.account_id = account.id and o.is_live)) into held;
  perform private.append_account_event(account.id, 'close_requested', trim(why), held, clock_timestamp(), false, who);
  if account.status <> 'halted' then
    perform private.move_account(account.id, 'halted', trim(why), false, who);
  end if;
  perform private.wake('trading', 1);
  return held || jsonb_build_object('account_id', account.id, 'name', account.name, 'status', 'halted');
end;
$$;

-- Halt every account of the caller; an operator halts those of everybody.
create function private.close_everything(why text, who text) returns jsonb
language plpgsql security definer
set search_path = ''
as $$
declare
  ids uuid[];
  closed jsonb;
begin
  select array_agg(a.id order by a.id) into ids from public.exchange_accounts a
  where a.user_id = (select auth.uid()) or private.is_operator();
  select coalesce(jsonb_agg(private.close_account(i.id, why, who) order by i.id), '[]') into closed
  from unnest(ids) i (id);
  return closed;
end;
$$;

create function public.close_position(position_id uuid, why text, who text default null) returns jsonb
language plpgsql
set search_path = ''
as $$
begin
  return private.close_position(position_id, why, who);
end;
$$;

create function public.close_account(account_id uuid, why text, who text default null) returns jsonb
language plpgsql
set search_path = ''
as $$
begin
  return private.close_account(account_id, why, who);
end;
$$;

create function public.close_everything(why text, who text default null) returns jsonb
language plpgsql
set search_path = ''
as $$
begin
  return private.close_everything(why, who);
end;
$$;

-- Grants --------------------------------------------------------------------------------------------------

grant execute on function
  private.close_position(uuid, text, text), public.close_position(uuid, text, text),
  private.close_account(uuid, text, text), public.close_account(uuid, text, text),
  private.close_everything(text, text), public.close_everything(text, text)
  to authenticated, service_role;
