-- Health: what `sigtrail doctor` asks. Each check says what it found, and what to do when that is not well.

-- Tables --------------------------------------------------------------------------------------------------

-- What links to a signal that is not there. Nothing in the schema forbids it (a foreign key would halve ingest).
create table private.orphans (
  kind text not null,
  signal_id uuid not null,
  found_at timestamptz not null default now(),
  primary key (kind, signal_id)
);
alter table private.orphans enable row level security;

-- Functions: checks ---------------------------------------------------------------------------------------

create function private.check_result(name text, ok boolean, found jsonb, advice text) returns jsonb
language sql immutable
set search_path = ''
as $$
  select jsonb_build_object('name', name, 'ok', ok, 'found', found)
    || case when ok then '{}' else jsonb_build_object('advice', advice) end;
$$;

-- Days that are open without a gap from today on; today without partitions is -1.
create function private.partition_days_ahead() returns integer
language sql stable
set search_path = ''
as $$
  select count(*)::integer - 1
  from (
    select d.day - private.utc_day(now()) = row_number() over (order by d.day) - 1 as unbroken
    from private.partition_days d
    where d.day >= private.utc_day(now())
  ) days
  where unbroken;
$$;

create function private.check_partitions() returns jsonb
language sql stable
set search_path = ''
as $$
  select private.check_result(
    'partitions', private.partition_days_ahead() >= 7 and every_day = all (counts),
    jsonb_build_object('days_ahead', private.partition_days_ahead(), 'days_open', every_day, 'attached', counts),
    'run select private.ensure_partitions(); and look why the job "sigtrail partitions" does not'
  )
  from (
    select
      (select count(*) from private.partition_days) as every_day,
      array(
        select count(*) from unnest(array['signals', 'signal_events', 'signal_monitoring_snapshots']) parent
        join pg_catalog.pg_class c on c.relname = parent and c.relnamespace = 'public'::regnamespace
        join pg_catalog.pg_inherits i on i.inhparent = c.oid
        group by parent order by parent
      ) as counts
  ) days;
$$;

-- pg_cron may be absent or in another database, so this asks by dynamic SQL.
create function private.check_jobs() returns jsonb
language plpgsql stable
set search_path = ''
as $$
declare
  wanted constant text[] := array['broadcasts', 'counters', 'leases', 'orphans', 'partitions', 'prune'];
  missing text[];
  failing text[];
begin
  if to_regclass('cron.job') is null then
    return private.check_result('jobs', false, jsonb_build_object('missing', wanted),
      'the extension pg_cron is not in this database: nothing is done by itself');
  end if;
  execute 'select array(select w from unnest($1) w where not exists (
      select from cron.job j where j.jobname = ''sigtrail '' || w and j.active) order by w)'
    into missing using wanted;
  execute 'select array(select j.jobname::text from cron.job j
      where j.jobname like ''sigtrail %'' and ''failed'' = (
        select r.status from cron.job_run_details r
        where r.jobid = j.jobid and r.end_time is not null
        order by r.runid desc limit 1)
      order by j.jobname)'
    into failing;
  return private.check_result('jobs', missing = '{}' and failing = '{}',
    jsonb_build_object('missing', missing, 'failing', failing),
    'look at cron.job and the return_message in cron.job_run_details');
end;
$$;

create function private.check_queue() returns jsonb
language sql stable
set search_path = ''
as $$
  select private.check_result(
    'queue', coalesce(sum(overdue), 0) = 0,
    coalesce(jsonb_object_agg(stage, jsonb_build_object(
      'waiting', waiting, 'leased', leased, 'overdue_leases', overdue, 'oldest', oldest)), '{}'),
    'leases ran out more than 2 minutes ago and nobody took them back: look at the job "sigtrail leases"'
  )
  from (
    select q.stage, count(*) filter (where q.leased_until is null) as waiting,
      count(*) filter (where q.leased_until is not null) as leased,
      count(*) filter (where q.leased_until < now() - interval '2 minutes') as overdue,
      min(q.available_at) filter (where q.leased_until is null) as oldest
    from public.signal_queue q
    group by q.stage
  ) stages;
$$;

create function private.check_machines() returns jsonb
language sql stable
set search_path = ''
as $$
  select private.check_result(
    'machines', not bool_or(silent),
    coalesce(jsonb_agg(jsonb_build_object(
      'machine_id', machine_id, 'status', status, 'roles', roles, 'last_heartbeat_at', last_heartbeat_at
    ) order by machine_id) filter (where silent), '[]'),
    'these machines say that they run, and have been silent for more than a minute: restart or delete them'
  )
  from (
    select m.machine_id, m.status, m.roles, m.last_heartbeat_at,
      m.status <> 'stopped' and m.last_heartbeat_at < now() - interval '1 minute' as silent
    from public.cloud_machines m
    union all
    select null, null, null, null, false
  ) machines;
$$;

create function private.check_positions() returns jsonb
language sql stable
set search_path = ''
as $$
  select private.check_result(
    'positions', count(*) = 0, coalesce(jsonb_agg(to_jsonb(p)), '[]'),
    'these open positions have no confirmed protection: look at the bridge that holds their account'
  )
  from private.unprotected_positions() p;
$$;

create function private.check_broadcasts() returns jsonb
language sql stable
set search_path = ''
as $$
  select private.check_result(
    'broadcasts', count(*) < 10000,
    jsonb_build_object('backlog', count(*), 'interval_ms', extract(epoch from private.broadcast_interval()) * 1000),
    'nobody calls flush_broadcasts: look whether a machine runs the role signals'
  )
  from private.broadcast_backlog;
$$;

-- A write transaction that stays open holds back the counters and the seals, which go by transaction ids.
create function private.check_transactions() returns jsonb
language sql stable
set search_path = ''
as $$
  select private.check_result(
    'transactions', count(*) = 0,
    coalesce(jsonb_agg(jsonb_build_object('pid', a.pid, 'since', a.xact_start, 'state', a.state)), '[]'),
    'these transactions have been writing for more than 5 minutes: end them with pg_terminate_backend(pid)'
  )
  from pg_catalog.pg_stat_activity a
  where a.backend_xid is not null and a.xact_start < now() - interval '5 minutes'
    and a.backend_type = 'client backend';
$$;

create function private.check_orphans() returns jsonb
language sql stable
set search_path = ''
as $$
  select private.check_result(
    'orphans', count(*) = 0, coalesce(jsonb_object_agg(kinds.kind, kinds.count), '{}'),
    'rows that belong to no signal: see private.orphans'
  )
  from (select o.kind, count(*) as count from private.orphans o group by o.kind) kinds;
$$;

create function private.health() returns jsonb
language sql stable security definer
set search_path = ''
as $$
  select jsonb_build_object('ok', bool_and((c ->> 'ok')::boolean), 'at', now(), 'checks', jsonb_agg(c))
  from unnest(array[
    private.check_partitions(), private.check_jobs(), private.check_queue(), private.check_machines(),
    private.check_positions(), private.check_broadcasts(), private.check_transactions(), private.check_orphans()
  ]) c;
$$;

-- Functions: orphans --------------------------------------------------------------------------------------

-- Reports what belongs to a signal of this day that is not recorded. How many it found.
create function private.find_orphans(day date) returns integer
language plpgsql security definer
set search_path = ''
as $$
declare
  least_id uuid := public.signal_id_floor(day::timestamp at time zone 'UTC');
  limit_id uuid := public.signal_id_floor((day + 1)::timestamp at time zone 'UTC');
  found_count integer;
begin
  insert into private.orphans (kind, signal_id)
  select distinct linked.kind, linked.signal_id
  from (
    select 'event' as kind, e.signal_id from public.signal_events e
    where e.signal_id >= least_id and e.signal_id < limit_id and e.number = 1
    union all
    select 'snapshot', m.signal_id from public.signal_monitoring_snapshots m
    where m.signal_id >= least_id and m.signal_id < limit_id and m.number = 1
    union all
    select 'queue', q.signal_id from public.signal_queue q where q.signal_id >= least_id and q.signal_id < limit_id
    union all
    select 'order', o.signal_id from public.signal_orders o where o.signal_id >= least_id and o.signal_id < limit_id
    union all
    select 'position', p.signal_id from public.signal_positions p
    where p.signal_id >= least_id and p.signal_id < limit_id
  ) linked
  where not exists (
    select from public.signals s
    where s.id = linked.signal_id and s.id >= least_id and s.id < limit_id
  )
  on conflict do nothing;
  get diagnostics found_count = row_count;
  return found_count;
end;
$$;

do $$
begin
  if to_regclass('cron.job') is not null then
    perform cron.schedule('sigtrail orphans', '43 3 * * *', 'select private.find_orphans(current_date - 1)');
  end if;
end;
$$;

-- The interface -------------------------------------------------------------------------------------------

create function public.doctor() returns jsonb
language plpgsql stable
set search_path = ''
as $$
begin
  return private.health();
end;
$$;

grant execute on function private.health(), public.doctor() to service_role;
