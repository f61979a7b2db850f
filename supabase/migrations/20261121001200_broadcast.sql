-- Broadcast: users who watch learn of their signals, machines learn of work. Within the plan's messages a second, of
-- which every delivery counts too: what the throttle holds back waits in a backlog for the next message or the flush.

-- Tables --------------------------------------------------------------------------------------------------

create table public.signal_watchers (
  user_id uuid primary key references public.users (id) on delete cascade,
  watched_until timestamptz not null,
  next_at timestamptz not null default '-infinity'
) with (fillfactor = 50);

create table private.broadcast_settings (
  only_row boolean primary key default true check (only_row),
  messages_per_second numeric not null default 100 check (messages_per_second > 0),
  -- The part of it that the users' signals may take; the rest is for trading, machines and what others send.
  share numeric not null default 0.6 check (share > 0 and share <= 1),
  -- What one message costs: its sending and its deliveries.
  cost numeric not null default 2 check (cost >= 1),
  minimum_interval_ms integer not null default 50 check (minimum_interval_ms between 0 and 60000),
  wake_interval_ms integer not null default 250 check (wake_interval_ms between 0 and 60000)
);
insert into private.broadcast_settings default values;

create table private.wakes (
  topic text primary key,
  next_at timestamptz not null default '-infinity'
) with (fillfactor = 50);
insert into private.wakes (topic) values ('analysis'), ('monitoring'), ('trading'), ('traders');

-- What was held back, of a user or of a wake. Rows are only added, so that nobody waits for a throttle's lock.
create table private.broadcast_backlog (
  id bigint generated always as identity primary key,
  user_id uuid,
  wake text,
  count integer not null,
  -- The newest 50 ids and the range that all of them cover.
  ids uuid[],
  from_id uuid,
  to_id uuid,
  check ((user_id is null) <> (wake is null))
) with (autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 500);
create index broadcast_backlog_user_id_idx on private.broadcast_backlog (user_id) where user_id is not null;
create index broadcast_backlog_wake_idx on private.broadcast_backlog (wake) where wake is not null;

alter table private.broadcast_settings enable row level security;
alter table private.wakes enable row level security;
alter table private.broadcast_backlog enable row level security;

-- Functions: the budget -----------------------------------------------------------------------------------

-- How long a user's next message has to wait so that all watchers together stay within the budget.
create function private.broadcast_interval() returns interval
language plpgsql stable
set search_path = ''
as $$
begin
  return (
    select interval '1 millisecond' * greatest(
      s.minimum_interval_ms::numeric,
      1000 * s.cost * (select count(*) from public.signal_watchers w where w.watched_until > now())
        / (s.messages_per_second * s.share)
    )::double precision
    from private.broadcast_settings s
  );
end;
$$;

-- Functions: users' signals -------------------------------------------------------------------------------

-- One message about these signals of a user, together with what was held back before.
create function private.send_signals(user_id uuid, changed_count integer, changed_ids uuid[]) returns void
language plpgsql
set search_path = ''
as $$
declare
  message_count integer;
  newest uuid[];
  least_id uuid;
  greatest_id uuid;
  message_rows jsonb;
begin
  with held as (
    delete from private.broadcast_backlog b where b.user_id = send_signals.user_id
    returning b.count, b.ids, b.from_id, b.to_id
  ), bounds as (
    select count, from_id, to_id from held
    union all
    select changed_count, changed_ids[1], changed_ids[cardinality(changed_ids)] where changed_count > 0
  ), every_id as (
    select unnest(ids) as id from held union select unnest(changed_ids)
  )
  select
    (select sum(count) from bounds),
    (select array_agg(n.id) from (select id from every_id order by id desc limit 50) n),
    (select from_id from bounds order by from_id limit 1),
    (select to_id from bounds order by to_id desc limit 1)
  into message_count, newest, least_id, greatest_id;
  if message_count is null then
    return;
  end if;

  select jsonb_agg(jsonb_build_object(
    -- As public.human_name says it, without a call a row.
    'id', s.id, 'name', s.symbol || '-' || floor(extract(epoch from s.triggered_at) * 1000)::bigint,
    'trader_id', s.trader_id, 'symbol', s.symbol,
    'interval', s."interval", 'side', s.side, 'status', s.status, 'outcome_code', s.outcome_code,
    'initial_price', s.initial_price::text, 'current_price', s.current_price::text,
    'total_pnl', s.total_pnl::text, 'analysis_confidence', s.analysis_confidence::text,
    'has_open_position', s.has_open_position,
    'triggered_at', s.triggered_at, 'created_at', s.created_at, 'updated_at', s.updated_at
  ) order by s.id desc) into message_rows
  from public.signals s
  where s.id = any (newest) and s.id between least_id and greatest_id;

  perform realtime.send(
    jsonb_build_object('count', message_count, 'from_id', least_id, 'to_id', greatest_id, 'rows', message_rows),
    'signals', 'user:' || user_id || ':signals', true);
end;
$$;

-- Tells watching users of changed signals: at once who is due, later who is not. The lock of a throttle is taken or
-- left (skip locked), never waited for. A full message costs a tenth of what recording a batch does, and whoever records
-- waits for it: only those who have waited longest are told at once, the others by the flush. (More than 50 messages a
-- transaction would overflow its subtransaction cache: realtime.send opens one each.)
create function private.broadcast_signals(changed_users uuid[], changed_ids uuid[]) returns void
language plpgsql
set search_path = ''
as $$
declare
  at_once constant integer := 4;
  due uuid[];
  batch record;
begin
  due := array(
    select w.user_id from public.signal_watchers w
    where w.user_id = any (changed_users) and w.watched_until > now() and w.next_at <= clock_timestamp()
    order by w.next_at, w.user_id
    limit at_once
    for update skip locked
  );
  if due <> '{}' then
    update public.signal_watchers w set next_at = clock_timestamp() + private.broadcast_interval()
    where w.user_id = any (due);
    for batch in
      select c.user_id, count(*)::integer as count, array_agg(c.id order by c.id) as ids
      from unnest(changed_users, changed_ids) c (user_id, id)
      where c.user_id = any (due)
      group by c.user_id
      order by c.user_id
    loop
      perform private.send_signals(batch.user_id, batch.count, batch.ids);
    end loop;
  end if;

  insert into private.broadcast_backlog (user_id, count, ids, from_id, to_id)
  select h.user_id, h.count, h.ids[greatest(1, h.count - 49):], h.ids[1], h.ids[h.count]
  from (
    select c.user_id, count(*)::integer as count, array_agg(c.id order by c.id) as ids
    from unnest(changed_users, changed_ids) c (user_id, id)
    join public.signal_watchers w on w.user_id = c.user_id and w.watched_until > now()
    where c.user_id <> all (due)
    group by c.user_id
  ) h;
  if found then
    perform set_config('sigtrail.held_back', 'on', true);
  end if;
end;
$$;

create function private.broadcast_new_signals() returns trigger
language plpgsql security definer
set search_path = ''
as $$
declare
  users uuid[];
  ids uuid[];
begin
  if not exists (select from public.signal_watchers w where w.watched_until > now()) then
    return null;
  end if;
  select array_agg(s.user_id), array_agg(s.id) into users, ids
  from new_signals s
  where s.user_id in (select w.user_id from public.signal_watchers w where w.watched_until > now());
  if users is not null then
    perform private.broadcast_signals(users, ids);
  end if;
  return null;
end;
$$;

create trigger signals_broadcast after insert on public.signals
  referencing new table as new_signals
  for each statement execute function private.broadcast_new_signals();

-- Whether this user watches now.
create function private.is_watched(user_id uuid) returns boolean
language plpgsql stable
set search_path = ''
as $$
begin
  return exists (
    select from public.signal_watchers w where w.user_id = is_watched.user_id and w.watched_until > now());
end;
$$;

-- A message to one user who watches, on another of their topics: user:<id>:trading.
create function private.send_to_watcher(user_id uuid, topic text, event text, payload jsonb) returns void
language plpgsql security definer
set search_path = ''
as $$
begin
  if private.is_watched(user_id) then
    perform realtime.send(payload, event, 'user:' || user_id || ':' || topic, true);
  end if;
end;
$$;

-- Functions: machines -------------------------------------------------------------------------------------

create function private.send_wake(topic text, count integer) returns void
language plpgsql
set search_path = ''
as $$
begin
  if topic = 'traders' then
    perform realtime.send(jsonb_build_object('count', count), 'traders', 'machines', true);
  else
    perform realtime.send(jsonb_build_object('stage', topic, 'count', count), 'work', 'machines', true);
  end if;
end;
$$;

-- Tells the machines that a stage has work, or that traders changed.
create function private.wake(topic text, count integer) returns void
language plpgsql security definer
set search_path = ''
as $$
declare
  held integer;
begin
  if count = 0 then
    return;
  end if;
  perform 1 from private.wakes w
  where w.topic = wake.topic and w.next_at <= clock_timestamp()
  for update skip locked;
  if not found then
    insert into private.broadcast_backlog (wake, count) values (topic, wake.count);
    return;
  end if;
  update private.wakes w
  set next_at = clock_timestamp()
    + interval '1 millisecond' * (select s.wake_interval_ms from private.broadcast_settings s)
  where w.topic = wake.topic;
  with gone as (
    delete from private.broadcast_backlog b where b.wake = wake.topic returning b.count
  )
  select coalesce(sum(g.count), 0) into held from gone g;
  perform private.send_wake(topic, count + held);
end;
$$;

create function private.wake_for_new_traders() returns trigger
language plpgsql security definer
set search_path = ''
as $$
begin
  perform private.wake('traders', (select count(*)::integer from new_traders));
  return null;
end;
$$;

create function private.wake_for_changed_traders() returns trigger
language plpgsql security definer
set search_path = ''
as $$
begin
  perform private.wake('traders', (
    select count(*)::integer
    from new_traders n
    join old_traders o on o.id = n.id
    -- A roll-up of the counters is no change of the trader.
    where n.counted_at is not distinct from o.counted_at
  ));
  return null;
end;
$$;

create trigger traders_wake_on_insert after insert on public.traders
  referencing new table as new_traders
  for each statement execute function private.wake_for_new_traders();
create trigger traders_wake_on_update after update on public.traders
  referencing old table as old_traders new table as new_traders
  for each statement execute function private.wake_for_changed_traders();

-- Functions: the trailing flush ---------------------------------------------------------------------------

-- Sends what was held back and is due, at most 50 messages a call. How many it sent.
create function private.flush_broadcasts() returns integer
language plpgsql security definer
set search_path = ''
set jit = off
set plan_cache_mode = force_generic_plan
as $$
declare
  pause interval;
  sent integer := 0;
  due record;
  held integer;
begin
  -- Nobody watches them any more: they will read everything anew.
  delete from private.broadcast_backlog b
  where b.id in (
    select o.id from private.broadcast_backlog o
    where o.user_id is not null and not exists (
      select from public.signal_watchers w where w.user_id = o.user_id and w.watched_until > now()
    )
    for update skip locked
  );
  if not exists (select from private.broadcast_backlog) then
    return 0;
  end if;
  pause := private.broadcast_interval();

  for due in
    select w.topic from private.wakes w
    where w.next_at <= clock_timestamp()
      and exists (select from private.broadcast_backlog b where b.wake = w.topic)
    order by w.topic
    for update skip locked
  loop
    with gone as (
      delete from private.broadcast_backlog b where b.wake = due.topic returning b.count
    )
    select coalesce(sum(g.count), 0) into held from gone g;
    continue when held = 0;
    update private.wakes w
    set next_at = clock_timestamp()
      + interval '1 millisecond' * (select s.wake_interval_ms from private.broadcast_settings s)
    where w.topic = due.topic;
    perform private.send_wake(due.topic, held);
    sent := sent + 1;
  end loop;

  for due in
    select w.user_id from public.signal_watchers w
    where w.next_at <= clock_timestamp() and w.watched_until > now()
      and exists (select from private.broadcast_backlog b where b.user_id = w.user_id)
    order by w.next_at
    limit 46
    for update skip locked
  loop
    update public.signal_watchers w set next_at = clock_timestamp() + pause where w.user_id = due.user_id;
    perform private.send_signals(due.user_id, 0, '{}');
    sent := sent + 1;
  end loop;
  return sent;
end;
$$;

create function public.flush_broadcasts() returns integer
language plpgsql
set search_path = ''
as $$
begin
  return private.flush_broadcasts();
end;
$$;

-- Functions: watching -------------------------------------------------------------------------------------

create function private.watch_signals(seconds integer) returns jsonb
language plpgsql security definer
set search_path = ''
as $$
declare
  watcher uuid := (select auth.uid());
  until timestamptz := now() + interval '1 second' * least(greatest(coalesce(seconds, 60), 5), 300);
begin
  if watcher is null then
    raise exception 'only a user can watch signals' using errcode = 'insufficient_privilege';
  end if;
  insert into public.signal_watchers as w (user_id, watched_until) values (watcher, until)
  on conflict (user_id) do update set watched_until = greatest(w.watched_until, excluded.watched_until);
  return jsonb_build_object(
    'watched_until', until, 'interval_ms', round(extract(epoch from private.broadcast_interval()) * 1000));
end;
$$;

-- The caller watches their signals for so many seconds (5 to 300): call it again before they are over.
create function public.watch_signals(seconds integer default 60) returns jsonb
language plpgsql
set search_path = ''
as $$
begin
  return private.watch_signals(seconds);
end;
$$;

create function private.unwatch_signals() returns void
language sql security definer
set search_path = ''
as $$ delete from public.signal_watchers w where w.user_id = (select auth.uid()); $$;

create function public.unwatch_signals() returns void
language plpgsql
set search_path = ''
as $$
begin
  perform private.unwatch_signals();
end;
$$;

-- Policies and grants -------------------------------------------------------------------------------------

alter table public.signal_watchers enable row level security;
create policy "Users see whether they watch" on public.signal_watchers
  for select to authenticated using (user_id = (select auth.uid()));
grant select on public.signal_watchers to authenticated, service_role;

create policy "Users hear their own topics" on realtime.messages
  for select to authenticated
  using (
    extension = 'broadcast'
    and (select realtime.topic()) in (
      'user:' || (select auth.uid()) || ':signals', 'user:' || (select auth.uid()) || ':trading'
    )
  );
create policy "Machines hear of work" on realtime.messages
  for select to signal_worker, analyst, trading_bridge
  using (extension = 'broadcast' and (select realtime.topic()) = 'machines');

grant usage on schema realtime to signal_worker, analyst, trading_bridge;
grant select on realtime.messages to signal_worker, analyst, trading_bridge;

grant execute on function private.watch_signals(integer), public.watch_signals(integer),
  private.unwatch_signals(), public.unwatch_signals() to authenticated;
grant execute on function private.flush_broadcasts(), public.flush_broadcasts()
  to service_role, signal_worker, analyst, trading_bridge;
