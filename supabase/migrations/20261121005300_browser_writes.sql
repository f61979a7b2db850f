-- How fast users may write with their own token: browsers and other outside sources, through the edge function, the
-- REST interface or a plain insert. Machines and operators are not counted here.

-- Tables --------------------------------------------------------------------------------------------------

-- One row a user, so that its lock makes the rate exact however many connections write at once.
create table private.browser_writes (
  user_id uuid primary key references public.users (id) on delete cascade,
  -- Writes by the Unix second that they came in: {"1763733600": 12}, at most the last 61 of them.
  recent jsonb not null default '{}'
) with (fillfactor = 50);
alter table private.browser_writes enable row level security;

-- Functions -----------------------------------------------------------------------------------------------

-- What a user is told who writes too fast: PostgREST makes the status, the header and the body of it.
create function private.refuse_writes(status integer, code text, message text, hint text, retry_after integer)
returns void
language plpgsql
set search_path = ''
as $$
begin
  raise sqlstate 'PGRST' using
    message = jsonb_build_object('code', code, 'message', message, 'hint', hint),
    detail = jsonb_build_object('status', status, 'headers',
      case when retry_after is null then '{}'::jsonb else jsonb_build_object('Retry-After', retry_after::text) end);
end;
$$;

-- Takes so many writes out of what a user has left of the last 60 seconds, or refuses them all: nothing of a call that
-- is refused is written. Sent rows count, whatever becomes of them. The window slides by whole seconds and is never
-- shorter than 60 of them.
create function private.spend_writes(owner uuid, writes integer) returns void
language plpgsql
set search_path = ''
as $$
declare
  allowed record;
  spent jsonb;
  used integer;
  this_second bigint;
  wait integer;
begin
  select t.tier, t.writes_per_minute as most into allowed
  from public.users u
  join public.tiers t on t.tier = u.tier
  where u.id = owner;
  if not found then
    raise exception 'there is no user %', owner using errcode = 'insufficient_privilege';
  end if;
  if allowed.most is null or writes = 0 then
    return;
  end if;
  if writes > allowed.most then
    perform private.refuse_writes(413, 'too_many_rows',
      format('tier %s sends at most %s signals a minute, this batch has %s', allowed.tier, allowed.most, writes),
      'send it in smaller batches', null);
  end if;

  insert into private.browser_writes (user_id) values (owner) on conflict do nothing;
  select w.recent into spent from private.browser_writes w where w.user_id = owner for update;
  -- After the lock: time goes on while another call of this user has it.
  this_second := floor(extract(epoch from clock_timestamp()))::bigint;
  select coalesce(jsonb_object_agg(s.key, s.value), '{}'), coalesce(sum(s.value::integer), 0) into spent, used
  from jsonb_each(spent) s
  where s.key::bigint >= this_second - 60;

  if used + writes > allowed.most then
    -- The first second whose going makes room enough.
    select (f.second + 61 - this_second)::integer into wait
    from (
      select s.key::bigint as second, sum(s.value::integer) over (order by s.key::bigint) as freed
      from jsonb_each(spent) s
    ) f
    where f.freed >= used + writes - allowed.most
    order by f.second
    limit 1;
    perform private.refuse_writes(429, 'rate_limited',
      format('%s of %s writes of the last minute are used, and this batch has %s', used, allowed.most, writes),
      format('send it again in %s seconds; nothing of it was recorded', wait), wait);
  end if;

  update private.browser_writes w
  set recent = spent || jsonb_build_object(
    this_second::text, coalesce((spent ->> this_second::text)::integer, 0) + writes)
  where w.user_id = owner;
end;
$$;

-- Triggers ------------------------------------------------------------------------------------------------

-- A plain insert of a user counts as well: ingest_signals is not the only door.
create function private.spend_plain_writes() returns trigger
language plpgsql security definer
set search_path = ''
as $$
begin
  perform private.spend_writes((select auth.uid()), (select count(*)::integer from new_signals));
  return null;
end;
$$;

create trigger signals_writes after insert on public.signals
  referencing new table as new_signals
  for each statement
  when (current_setting('role') = 'authenticated' and coalesce(current_setting('sigtrail.ingesting', true), '') <> 'on')
  execute function private.spend_plain_writes();
