-- Alerts: what a person should know now. The same thing is one alert however often it happens, until it is over; each is
-- delivered to every channel at least once, by whichever machine takes it, under a key that a receiver can tell
-- repetitions by. Raised by machines for what they see, and by a job for what only the record shows.

-- Types ---------------------------------------------------------------------------------------------------

create type public.alert_severity as enum ('info', 'warning', 'critical');

-- Tables --------------------------------------------------------------------------------------------------

-- What there are alerts about.
create table private.alert_kinds (
  kind text primary key,
  severity public.alert_severity not null,
  -- Whether machines raise it for themselves; the job raises all others from the record.
  by_machines boolean not null,
  -- Not raised again for so long it is over.
  quiet_after interval not null check (quiet_after >= '1 minute'),
  -- Whether people are told that it is over: a loss is not undone.
  tells_end boolean not null,
  purpose text not null
);
alter table private.alert_kinds enable row level security;
insert into private.alert_kinds (kind, severity, by_machines, quiet_after, tells_end, purpose) values
  ('machine_silent', 'critical', false, '2 minutes', true, 'a machine that says it runs does not speak any more'),
  ('position_unprotected', 'critical', false, '2 minutes', true, 'an open position has no confirmed stop loss'),
  ('order_unresolved', 'critical', false, '2 minutes', true, 'nobody knows what became of an order'),
  ('order_failed', 'warning', false, '10 minutes', false, 'a venue refused orders'),
  ('venue_disconnected', 'critical', false, '2 minutes', true, 'a venue does not answer, or clocks are apart'),
  ('account_trouble', 'warning', false, '2 minutes', true, 'an account hangs, or its key or journal is refused'),
  ('unusual_loss', 'critical', false, '30 minutes', false, 'a loss beyond what was planned, or near a limit'),
  ('machine_error', 'warning', true, '30 minutes', false, 'a machine survived errors'),
  ('rate_limited', 'warning', true, '10 minutes', true, 'a venue lets nothing more through'),
  ('feed_silent', 'critical', true, '10 minutes', true, 'no candles come'),
  ('spool_alarm', 'critical', true, '10 minutes', true, 'signals wait on a machine''s disk, which fills or refuses'),
  ('analysis_budget', 'warning', true, '1 day', false, 'the analyst''s budget is used up'),
  ('test', 'info', false, '1 minute', false, 'a person looks whether alerts arrive');

create table public.alerts (
  id uuid primary key default gen_random_uuid(),
  kind text not null references private.alert_kinds (kind),
  -- What it is about: the same key is the same alert for as long as that is not over.
  key text not null,
  severity public.alert_severity not null,
  -- Whose it is; null for what concerns the platform.
  user_id uuid references public.users (id) on delete cascade,
  machine_id text,
  title text not null,
  details jsonb not null default '{}',
  -- How often it was raised.
  times integer not null default 1,
  raised_at timestamptz not null default now(),
  last_at timestamptz not null default now(),
  resolved_at timestamptz,
  acknowledged_at timestamptz,
  acknowledged_by text,
  note text,
  constraint "a key has 1 to 200 letters" check (length(key) between 1 and 200),
  constraint "a title has 1 to 300 letters" check (length(title) between 1 and 300),
  constraint "the details of an alert fit in 8 KB, numbers within 1e40" check (private.json_fits(details, 8192)),
  constraint "who acknowledged it is known" check ((acknowledged_at is null) = (acknowledged_by is null))
);
create unique index alerts_open on public.alerts (key) where resolved_at is null;
create index alerts_by_time on public.alerts (raised_at desc);
create index alerts_by_end on public.alerts (resolved_at) where resolved_at is not null;
create index alerts_by_user on public.alerts (user_id, raised_at desc);
create index alerts_by_kind on public.alerts (kind);

-- The outbox: one row for each piece of news and channel, made when a machine first asks for that channel.
create table private.alert_deliveries (
  alert_id uuid not null references public.alerts (id) on delete cascade,
  news text not null,
  channel text not null,
  attempts integer not null default 0,
  available_at timestamptz not null default now(),
  leased_until timestamptz,
  leased_by text,
  sent_at timestamptz,
  dead_at timestamptz,
  error text,
  created_at timestamptz not null default now(),
  primary key (alert_id, channel, news),
  constraint "news is that it was raised or that it is over" check (news in ('raised', 'resolved')),
  constraint "a channel is webhook, telegram or email" check (channel in ('webhook', 'telegram', 'email')),
  constraint "what was sent is not dead, and what is dead says why"
    check (num_nonnulls(sent_at, dead_at) <= 1 and (dead_at is null or error is not null))
);
create index alert_deliveries_due on private.alert_deliveries (available_at)
  where sent_at is null and dead_at is null;
alter table private.alert_deliveries enable row level security;

-- When a machine asked last for what goes out on a channel: one that nobody asks for any more owes nobody anything.
create table private.alert_channels (
  channel text primary key,
  claimed_at timestamptz not null
);
alter table private.alert_channels enable row level security;

-- What the job looks for: positions that closed lately.
create index positions_by_end on public.positions (closed_at) where closed_at is not null;

-- Functions: raising --------------------------------------------------------------------------------------

-- Raise an alert, or note that it goes on. `counts` when it happened once more, and not only lasts.
create function private.note_alert(kind text, key text, title text, details jsonb, user_id uuid, machine_id text,
  counts boolean) returns uuid
language plpgsql
set search_path = ''
as $$
#variable_conflict use_column
declare
  rule private.alert_kinds;
  found_id uuid;
begin
  select * into rule from private.alert_kinds k where k.kind = note_alert.kind;
  -- What was quiet for long enough is over, also when the job has not come by yet: this is another one.
  update public.alerts a set resolved_at = a.last_at + rule.quiet_after
  where a.key = note_alert.key and a.resolved_at is null and a.last_at + rule.quiet_after < clock_timestamp();
  insert into public.alerts as a (kind, key, severity, user_id, machine_id, title, details)
  values (rule.kind, note_alert.key, rule.severity, note_alert.user_id, note_alert.machine_id,
    left(note_alert.title, 300), coalesce(note_alert.details, '{}'))
  on conflict (key) where resolved_at is null do update set
    times = a.times + counts::integer, last_at = clock_timestamp(), title = excluded.title, details = excluded.details
  returning a.id into found_id;
  return found_id;
end;
$$;

create function private.alert_key(kind text, key text) returns text
language plpgsql stable
set search_path = ''
as $$
begin
  -- Nobody speaks of another machine's troubles.
  return concat_ws(':', kind, coalesce(private.caller_machine(), 'operator'), nullif(key, ''));
end;
$$;

create function private.check_alert_caller(kind text) returns void
language plpgsql stable
set search_path = ''
as $$
begin
  if not exists (select from private.alert_kinds k where k.kind = check_alert_caller.kind) then
    raise exception 'there are no alerts of kind %', coalesce(kind, '(null)')
      using errcode = 'invalid_parameter_value';
  end if;
  if private.is_operator() then
    return;
  end if;
  perform private.check_registered();
  if not exists (select from private.alert_kinds k where k.kind = check_alert_caller.kind and k.by_machines) then
    raise exception 'machines raise no alerts of kind %: the record does', kind using errcode = 'insufficient_privilege';
  end if;
end;
$$;

create function private.raise_alert(kind text, key text, title text, details jsonb) returns uuid
language plpgsql security definer
set search_path = ''
as $$
declare
  most_open constant integer := 100;
begin
  perform private.check_alert_caller(kind);
  if private.caller_machine() is not null and (
    select count(*) from public.alerts a
    where a.resolved_at is null and a.machine_id = private.caller_machine()
      and a.key <> private.alert_key(raise_alert.kind, raise_alert.key)
  ) >= most_open then
    raise exception 'machine % has % open alerts: that is enough', private.caller_machine(), most_open
      using errcode = 'configuration_limit_exceeded';
  end if;
  return private.note_alert(kind, private.alert_key(kind, key), title, details, null, private.caller_machine(), true);
end;
$$;

-- Raise an alert about this machine: the same kind and key again counts up until it is over.
create function public.raise_alert(kind text, title text, key text default '', details jsonb default '{}') returns uuid
language plpgsql
set search_path = ''
as $$
begin
  return private.raise_alert(kind, key, title, details);
end;
$$;

create function private.resolve_alert(kind text, key text) returns boolean
language plpgsql security definer
set search_path = ''
as $$
begin
  perform private.check_alert_caller(kind);
  update public.alerts a set resolved_at = clock_timestamp()
  where a.key = private.alert_key(resolve_alert.kind, resolve_alert.key) and a.resolved_at is null;
  return found;
end;
$$;

-- What this machine raised under this kind and key is over. Whether it was open.
create function public.resolve_alert(kind text, key text default '') returns boolean
language plpgsql
set search_path = ''
as $$
begin
  return private.resolve_alert(kind, key);
end;
$$;

-- Functions: what the record shows ------------------------------------------------------------------------

create function private.alert_conditions()
returns table (kind text, key text, user_id uuid, machine_id text, title text, details jsonb)
language sql stable
set search_path = ''
as $$
  select 'machine_silent', m.machine_id, null::uuid, m.machine_id,
    format('machine %s (%s) has been silent since %s', m.machine_id, array_to_string(m.roles, ', '),
      to_char(m.last_heartbeat_at at time zone 'UTC', 'YYYY-MM-DD HH24:MI:SS "UTC"')),
    jsonb_build_object('roles', m.roles, 'region', m.region, 'last_heartbeat_at', m.last_heartbeat_at)
  from public.cloud_machines m
  where m.status <> 'stopped' and m.last_heartbeat_at < now() - interval '1 minute'
  union all
  select 'position_unprotected', u.position_id::text, p.user_id, null,
    format('the open position in %s has no protection: %s', p.normalised_symbol, u.reason),
    jsonb_build_object('position_id', u.position_id, 'signal_id', u.signal_id, 'account_id', p.account_id, 'since', u.since)
  from private.positions_left_unprotected() u
  join public.positions p on p.id = u.position_id
  union all
  select 'order_unresolved', o.account_id::text, min(o.user_id::text)::uuid, null,
    format('nobody knows what became of %s orders of an account: it enters nothing new', count(*)),
    jsonb_build_object('account_id', o.account_id, 'count', count(*))
  from public.orders o
  where o.is_live and o.status = 'unresolved' and o.updated_at < now() - interval '1 minute'
  group by o.account_id
  union all
  -- By the time of the market: what a replay did long ago is no news.
  select 'order_failed', f.account_id::text, f.user_id, null,
    format('the venue refused %s orders of an account in ten minutes, the last for %s', f.failed, f.codes ->> 0),
    jsonb_build_object('account_id', f.account_id, 'count', f.failed, 'codes', f.codes, 'signal_id', f.signal_id)
  from public.exchange_accounts a
  cross join lateral (
    select o.account_id, min(o.user_id::text)::uuid as user_id, count(*) as failed,
      jsonb_agg(distinct coalesce(o.code, 'no reason')) as codes, (array_agg(o.signal_id order by o.updated_at desc))[1] as signal_id
    from public.orders o
    where o.account_id = a.id and o.intended_at > now() - interval '1 hour' and o.status = 'rejected'
      and o.updated_at > now() - interval '10 minutes'
    group by o.account_id
  ) f
  union all
  select 'venue_disconnected', concat_ws(':', m.machine_id, told.key), null, m.machine_id,
    format('%s is not asked by machine %s: %s', told.key, m.machine_id, case
      when told.value #>> '{breaker,state}' <> 'closed' then coalesce(told.value #>> '{breaker,why}', 'it does not answer')
      else 'their clocks are apart' end),
    jsonb_build_object('venue', left(told.key, 200), 'breaker', left(told.value #>> '{breaker,state}', 100),
      'clock_offset_ms', left(told.value #>> '{clock,offset_ms}', 40))
  from public.cloud_machines m, jsonb_each(case jsonb_typeof(m.details -> 'venues') when 'object' then m.details -> 'venues'
    else '{}' end) told
  where m.status <> 'stopped' and m.last_heartbeat_at >= now() - interval '1 minute'
    and (told.value #>> '{breaker,state}' is distinct from 'closed' or told.value #>> '{clock,sound}' is distinct from 'true')
  union all
  select 'account_trouble', told.key, a.user_id, m.machine_id,
    format('account %s needs somebody: %s', told.key, case
      when told.value ? 'key' then 'the venue refuses its key'
      when told.value ? 'journal' then 'its journal cannot be written'
      when told.value ? 'unopened' then 'its venue cannot be asked at the start'
      else 'it hangs' end),
    jsonb_build_object('account_id', left(told.key, 200), 'do', left(told.value ->> 'do', 500))
  from public.cloud_machines m
  cross join jsonb_each(case jsonb_typeof(m.details -> 'desks') when 'object' then m.details -> 'desks' else '{}' end) told
  left join public.exchange_accounts a on a.id = private.uuid_of(told.key)
  where m.status <> 'stopped' and m.last_heartbeat_at >= now() - interval '1 minute'
  union all
  -- A stop that was jumped over, a fee that nobody counted on: twice what its stop loss was to cost.
  select 'unusual_loss', 'position:' || p.id, p.user_id, null,
    format('a position in %s lost %s, planned were %s at most', p.normalised_symbol, trim_scale(round(-p.realized_pnl, 4)),
      trim_scale(round(p.entry_amount * abs(p.entry_average - p.initial_stop_loss), 4))),
    jsonb_build_object('position_id', p.id, 'signal_id', p.signal_id, 'account_id', p.account_id,
      'realized_pnl', p.realized_pnl::text)
  from public.positions p
  where p.closed_at > now() - interval '15 minutes'
    and -p.realized_pnl > 2 * p.entry_amount * abs(p.entry_average - p.initial_stop_loss) and p.entry_amount > 0
  union all
  select 'unusual_loss', 'account:' || l.account_id, l.user_id, null,
    format('an account lost %s today and is %s below its best: near its limits', trim_scale(round(x.daily_loss, 4)),
      trim_scale(round(x.drawdown, 4))),
    jsonb_build_object('account_id', l.account_id, 'daily_loss', x.daily_loss::text, 'drawdown', x.drawdown::text)
  from public.risk_limits l
  cross join lateral private.losses_of(l.account_id, now()) x
  where l.account_id is not null
    and (x.daily_loss * 100 >= l.max_daily_loss * l.reduce_at_percent or x.drawdown * 100 >= l.max_drawdown * l.reduce_at_percent);
$$;

-- One look at everything: raises what is the matter, ends what is not any more. What it did.
create function private.watch_alerts() returns jsonb
language plpgsql security definer
set search_path = ''
as $$
declare
  raised integer;
  resolved integer;
begin
  -- Machines name their venues and desks: whatever they say, the others' alerts are raised.
  perform private.note_alert(c.kind, left(c.kind || ':' || c.key, 200), c.title, c.details, c.user_id, c.machine_id, false)
  from private.alert_conditions() c;
  get diagnostics raised = row_count;
  -- What lasts was noted just now, so silence is the end: after the rest of its time.
  update public.alerts a set resolved_at = clock_timestamp()
  from private.alert_kinds k
  where k.kind = a.kind and a.resolved_at is null and a.last_at + k.quiet_after < clock_timestamp();
  get diagnostics resolved = row_count;
  delete from public.alerts a where a.resolved_at < now() - interval '90 days';
  return jsonb_build_object('standing', raised, 'resolved', resolved);
end;
$$;

-- Once a run: it looks at everything there is.
create function private.watch_alerts_step() returns jsonb
language plpgsql
set search_path = ''
as $$
begin
  return case when private.done_so_far() = '{}' then private.watch_alerts() end;
end;
$$;

select private.enter_job('alerts', '* * * * *', 'watch_alerts_step', interval '5 minutes',
  'raises alerts about what the record shows');

-- Functions: delivering -----------------------------------------------------------------------------------

create function private.claim_alerts(channels text[], max_rows integer, lease_seconds integer)
returns table (alert_id uuid, news text, channel text, idempotency_key text, attempt integer, alert jsonb)
language plpgsql security definer
set search_path = ''
as $$
declare
  most_attempts constant integer := 10;
begin
  perform private.check_lease(lease_seconds);
  if max_rows is null or max_rows not between 1 and 100 then
    raise exception 'a claim takes 1 to 100 deliveries, not %', max_rows using errcode = 'invalid_parameter_value';
  end if;
  perform private.check_registered();
  insert into private.alert_channels as k (channel, claimed_at)
  select distinct c.channel, clock_timestamp() from unnest(channels) c (channel) order by 1
  on conflict on constraint alert_channels_pkey do update set claimed_at = excluded.claimed_at
  where k.claimed_at < clock_timestamp() - interval '1 minute';
  -- News of the last day: a channel that is new is not told of a year.
  insert into private.alert_deliveries (alert_id, news, channel)
  select a.id, 'raised', c.channel
  from public.alerts a, unnest(channels) c (channel)
  where a.raised_at > now() - interval '1 day'
  union all
  select a.id, 'resolved', r.channel
  from public.alerts a
  join private.alert_kinds k on k.kind = a.kind and k.tells_end
  join private.alert_deliveries r on r.alert_id = a.id and r.news = 'raised' and r.channel = any (channels)
  where a.resolved_at > now() - interval '1 day'
  -- Machines that look at the same time wait for each other, and not in a circle.
  order by 1, 2, 3
  on conflict do nothing;
  -- What was claimed for the last time and never answered for took its machines along.
  update private.alert_deliveries d set dead_at = clock_timestamp(), leased_until = null,
    error = coalesce(d.error, 'its machine ended each time it was to be sent')
  where d.sent_at is null and d.dead_at is null and d.attempts >= most_attempts
    and coalesce(d.leased_until, '-infinity') < now();
  return query
  with due as (
    select d.alert_id, d.channel, d.news
    from private.alert_deliveries d
    where d.sent_at is null and d.dead_at is null and d.channel = any (channels)
      and d.available_at <= now() and coalesce(d.leased_until, '-infinity') < now()
      -- That it is over is told after that it began.
      and (d.news = 'raised' or not exists (
        select from private.alert_deliveries r
        where r.alert_id = d.alert_id and r.channel = d.channel and r.news = 'raised'
          and r.sent_at is null and r.dead_at is null))
    order by d.available_at, d.alert_id
    limit max_rows
    for update skip locked
  ), taken as (
    update private.alert_deliveries d set
      attempts = d.attempts + 1, leased_by = private.caller_name(),
      leased_until = clock_timestamp() + interval '1 second' * lease_seconds
    from due
    where d.alert_id = due.alert_id and d.channel = due.channel and d.news = due.news
    returning d.*
  )
  select t.alert_id, t.news, t.channel, concat_ws(':', t.alert_id, t.news, t.channel), t.attempts,
    jsonb_build_object('id', a.id, 'kind', a.kind, 'severity', a.severity, 'title', a.title, 'details', a.details,
      'machine_id', a.machine_id, 'user_id', a.user_id, 'times', a.times, 'raised_at', a.raised_at,
      'last_at', a.last_at, 'resolved_at', a.resolved_at)
  from taken t join public.alerts a on a.id = t.alert_id
  order by t.available_at, t.alert_id;
end;
$$;

-- Take what is to be delivered on these channels. What is not answered for within the lease is given to somebody again.
create function public.claim_alerts(channels text[], max_rows integer default 10, lease_seconds integer default 60)
returns table (alert_id uuid, news text, channel text, idempotency_key text, attempt integer, alert jsonb)
language plpgsql
set search_path = ''
as $$
begin
  return query select * from private.claim_alerts(channels, max_rows, lease_seconds);
end;
$$;

create function private.record_deliveries(results jsonb) returns integer
language plpgsql security definer
set search_path = ''
as $$
declare
  most_attempts constant integer := 10;
  recorded integer;
begin
  perform private.check_batch(results, 'results', 100);
  if not private.is_operator() and private.caller_machine() is null then
    raise exception 'only machines deliver' using errcode = 'insufficient_privilege';
  end if;
  update private.alert_deliveries d set
    leased_until = null,
    -- That it arrived is true whoever says it, however late.
    sent_at = case when r.ok then clock_timestamp() end,
    error = case when r.ok then null else left(coalesce(nullif(r.error, ''), 'no reason'), 500) end,
    dead_at = case when not r.ok and d.attempts >= most_attempts then clock_timestamp() end,
    available_at = case when r.ok then d.available_at else clock_timestamp() + greatest(
      interval '1 second' * least(coalesce(r.retry_after, 0), 3600),
      least(interval '5 seconds' * power(2, least(d.attempts, 20) - 1), interval '15 minutes') * (0.5 + random() / 2)) end
  from jsonb_to_recordset(results)
    r (alert_id uuid, news text, channel text, attempt integer, ok boolean, error text, retry_after double precision)
  where d.alert_id = r.alert_id and d.news = r.news and d.channel = r.channel and d.sent_at is null
    and (r.ok or (d.dead_at is null and d.attempts = r.attempt));
  get diagnostics recorded = row_count;
  return recorded;
end;
$$;

-- Tell what became of deliveries: each with the attempt of its claim, whether it was `ok`, else its error and in how many
-- seconds the receiver wants to be asked again. How many were taken in.
create function public.record_deliveries(results jsonb) returns integer
language plpgsql
set search_path = ''
as $$
begin
  return private.record_deliveries(results);
end;
$$;

-- Functions: people ---------------------------------------------------------------------------------------

create function private.acknowledge_alert(alert_id uuid, note text, who text) returns boolean
language plpgsql security definer
set search_path = ''
as $$
begin
  if private.caller_machine() is not null then
    raise exception 'machine % cannot acknowledge an alert: a person does', private.caller_name()
      using errcode = 'insufficient_privilege';
  end if;
  update public.alerts a set
    acknowledged_at = coalesce(a.acknowledged_at, clock_timestamp()),
    -- Only an operator's command says who it is for; a person in a browser is who their token says.
    acknowledged_by = coalesce(a.acknowledged_by,
      case when private.is_operator() then coalesce(left(who, 100), private.caller_name()) else private.actor() end),
    note = coalesce(left(acknowledge_alert.note, 500), a.note)
  where a.id = acknowledge_alert.alert_id and (a.user_id = (select auth.uid()) or private.is_operator()
    or (a.user_id is null and private.oversees_platform()));
  if not found then
    raise exception 'there is no alert % of yours', alert_id using errcode = 'no_data_found';
  end if;
  return true;
end;
$$;

-- Somebody has seen it and looks after it.
create function public.acknowledge_alert(alert_id uuid, note text default null, who text default null) returns boolean
language plpgsql
set search_path = ''
as $$
begin
  return private.acknowledge_alert(alert_id, note, who);
end;
$$;

-- Health --------------------------------------------------------------------------------------------------

create function private.check_alerts() returns jsonb
language plpgsql stable
set search_path = ''
as $$
declare
  found jsonb;
begin
  select jsonb_build_object(
    'open', (select count(*) from public.alerts a where a.resolved_at is null),
    'critical_unacknowledged', (select count(*) from public.alerts a
      where a.resolved_at is null and a.acknowledged_at is null and a.severity = 'critical'),
    -- A channel that was taken away is late with nothing, as long as there is another one.
    'late', count(*) filter (where d.dead_at is null and d.created_at < now() - interval '10 minutes'
      and (k.is_served or not exists (
        select from private.alert_channels o where o.claimed_at > now() - interval '1 hour'))),
    'dead', count(*) filter (where d.dead_at > now() - interval '1 day'),
    'error', max(d.error) filter (where d.dead_at is null or d.dead_at > now() - interval '1 day'))
  into found
  from private.alert_deliveries d
  cross join lateral (
    select exists (select from private.alert_channels c
      where c.channel = d.channel and c.claimed_at > now() - interval '1 hour') as is_served) k
  where d.sent_at is null;
  return private.check_result('alerts', (found ->> 'late')::integer = 0 and (found ->> 'dead')::integer = 0,
    jsonb_strip_nulls(found),
    'alerts do not reach anybody: look at the error, mend the channel, then `sigtrail alerts test`');
end;
$$;

-- Policies and grants -------------------------------------------------------------------------------------

alter table public.alerts enable row level security;

create policy "Users read their alerts" on public.alerts
  for select to authenticated
  using (user_id = (select auth.uid()) or (user_id is null and (select private.oversees_platform())));

grant select on public.alerts to authenticated, service_role;
grant execute on function private.acknowledge_alert(uuid, text, text), public.acknowledge_alert(uuid, text, text)
  to authenticated, service_role;
grant execute on function
  private.raise_alert(text, text, text, jsonb), public.raise_alert(text, text, text, jsonb),
  private.resolve_alert(text, text), public.resolve_alert(text, text),
  private.claim_alerts(text[], integer, integer), public.claim_alerts(text[], integer, integer),
  private.record_deliveries(jsonb), public.record_deliveries(jsonb)
  to service_role, signal_worker, analyst, trading_bridge, archivist;
