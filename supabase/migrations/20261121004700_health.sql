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
    'run select private.ensure_partitions(); and look why the job partitions does not'
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

-- The jobs and how they fare: failing, whose last run failed; late, without a run that went well for too long (counted
-- from the start of the server at the earliest); stuck, on its way for longer than a run may take; missing, not
-- scheduled. pg_cron may be absent or in another database, so this asks by dynamic SQL.
create function private.check_jobs() returns jsonb
language plpgsql stable
set search_path = ''
as $$
declare
  missing jsonb;
  troubled record;
begin
  if to_regclass('cron.job') is null then
    return private.check_result('jobs', false,
      jsonb_build_object('missing', (select jsonb_agg(j.job order by j.job) from private.jobs j)),
      'the extension pg_cron is not in this database: nothing is done by itself');
  end if;
  execute 'select coalesce(jsonb_agg(j.job order by j.job), ''[]'') from private.jobs j where not exists (
      select from cron.job c where c.jobname = ''sigtrail '' || j.job and c.active)'
    into missing;
  select
    coalesce(jsonb_agg(jsonb_build_object('job', j.job, 'error', last.error) order by j.job)
      filter (where last.ok is false), '[]') as failing,
    coalesce(jsonb_agg(j.job order by j.job) filter (where now() - greatest(
      well.finished_at, j.created_at, pg_postmaster_start_time()) > j.late_after), '[]') as late,
    coalesce(jsonb_agg(j.job order by j.job) filter (where running.started_at < now() - interval '15 minutes'),
      '[]') as stuck
  into troubled
  from private.jobs j
  left join lateral (
    select r.ok, r.error from private.job_runs r
    where r.job = j.job and r.finished_at is not null order by r.id desc limit 1
  ) last on true
  left join lateral (
    select r.finished_at from private.job_runs r where r.job = j.job and r.ok order by r.id desc limit 1
  ) well on true
  left join lateral (
    select r.started_at from private.job_runs r
    where r.job = j.job and r.finished_at is null order by r.id desc limit 1
  ) running on true;
  return private.check_result('jobs',
    missing = '[]' and troubled.failing = '[]' and troubled.late = '[]' and troubled.stuck = '[]',
    jsonb_build_object('missing', missing, 'failing', troubled.failing, 'late', troubled.late,
      'stuck', troubled.stuck),
    case
      when missing <> '[]' then 'push the migrations again, or look whether someone unscheduled these in cron.job'
      when troubled.failing <> '[]' then 'read private.job_runs; what a run had done stays done, and the next one goes on'
      when troubled.stuck <> '[]' then 'look in pg_stat_activity what these wait for'
      else 'does pg_cron run? look at cron.job_run_details; select private.run_job(job) runs one by hand'
    end);
end;
$$;

-- The days by tier, and what is left undone: days that should be warm, or compacted, for hours.
create function private.check_days() returns jsonb
language sql stable
set search_path = ''
as $$
  with books as (
    select d.*, private.day_age(d.day) as age, private.day_tier(d.day) as tier from private.partition_days d
  )
  select private.check_result(
    'days', unwarmed = '[]' and uncompacted = '[]',
    tiers || jsonb_build_object('compacted', compacted, 'not_warmed', unwarmed, 'not_compacted', uncompacted),
    'these days are overdue: read private.job_runs of warming and compaction; a reader that never ends stands in their way'
  )
  from (
    select
      coalesce((select jsonb_object_agg(t.tier, t.days) from (
        select b.tier, count(*) as days from books b group by b.tier) t), '{}') as tiers,
      (select count(*) from books b where b.compacted_at is not null) as compacted,
      (select coalesce(jsonb_agg(b.day order by b.day), '[]') from books b, private.retention r
        where b.warmed_at is null and b.age >= r.warm_after + interval '6 hours') as unwarmed,
      (select coalesce(jsonb_agg(b.day order by b.day), '[]') from books b
        where b.tier = 'cold' and private.archived_to(b.day) > coalesce((
            select c.to_tx from private.compactions c where c.day = b.day order by c.id desc limit 1), 0)
          and (select min(f.verified_at) from public.archive_files f where f.partition_day = b.day
            and f.to_tx = private.archived_to(b.day)) < now() - interval '12 hours') as uncompacted
  ) found;
$$;

-- How far the roll-up is behind the trail, and what it still has to give to the traders.
create function private.check_rollup() returns jsonb
language sql stable
set search_path = ''
as $$
  select private.check_result(
    'rollup', now() - r.counted_to < interval '5 minutes',
    jsonb_build_object('lag_seconds', round(extract(epoch from now() - r.counted_to)),
      'traders_waiting', (select count(distinct c.trader_id) from private.trader_changes c)),
    'summaries and counters are behind: look at the job rollup, and for a transaction that has been writing for long'
  )
  from private.rollups r
  where r.name = 'events';
$$;

create function private.check_queue() returns jsonb
language sql stable
set search_path = ''
as $$
  select private.check_result(
    'queue', coalesce(sum(overdue), 0) = 0,
    coalesce(jsonb_object_agg(stage, jsonb_build_object(
      'waiting', waiting, 'leased', leased, 'overdue_leases', overdue, 'oldest', oldest)), '{}'),
    'leases ran out more than 2 minutes ago and nobody took them back: look at the job leases'
  )
  from (
    select w.stage, sum(w.waiting) as waiting, sum(w.leased) as leased, sum(w.overdue) as overdue, min(w.oldest) as oldest
    from (
      select q.stage, count(*) filter (where q.leased_until is null) as waiting,
        count(*) filter (where q.leased_until is not null) as leased,
        count(*) filter (where q.leased_until < now() - interval '2 minutes') as overdue,
        min(q.available_at) filter (where q.leased_until is null) as oldest
      from public.signal_queue q
      group by q.stage
      union all
      -- What nobody has claimed from yet.
      select 'analysis', sum(cardinality(a.signal_ids)), 0, 0,
        public.signal_time((select o.first_id from private.arrivals o order by o.first_id limit 1))
      from private.arrivals a
      having count(*) > 0
    ) w
    group by w.stage
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

-- Tokens that machines were given, and that end within a week. What a machine tells of itself is only believed as far as it
-- can be a time.
create function private.check_tokens() returns jsonb
language sql stable
set search_path = ''
as $$
  select private.check_result(
    'tokens', count(*) = 0,
    coalesce(jsonb_agg(jsonb_build_object('machine_id', t.machine_id, 'role', t.role, 'ends_at', to_timestamp(t.ends))
      order by t.ends, t.machine_id, t.role), '[]'),
    'these machines are cut off when their tokens end: give them others, made with sigtrail machines token'
  )
  from (
    select m.machine_id, e.key as role, greatest(0, (e.value #>> '{}')::numeric) as ends
    from public.cloud_machines m
    cross join lateral jsonb_each(case jsonb_typeof(m.details -> 'tokens') when 'object' then m.details -> 'tokens' end) e
    where m.status <> 'stopped' and jsonb_typeof(e.value) = 'number'
  ) t
  where t.ends < extract(epoch from now() + interval '7 days');
$$;

-- Shares of a venue's market that active traders watch, which nobody holds although machines of that venue are there to
-- hold them. One changes hands within ten seconds.
create function private.check_shares() returns jsonb
language sql stable
set search_path = ''
as $$
  select private.check_result(
    'shares', coalesce(sum(m.alone), 0) = 0,
    coalesce(jsonb_agg(jsonb_build_object('venue', m.venue, 'market', m.market, 'held', 64 - m.alone, 'alone', m.alone,
      'since', m.since) order by m.venue, m.market), '[]'),
    'nobody evaluates these symbols: start a machine of the role signals, or one that takes more symbols'
  )
  from (
    select s.venue, s.market, count(*) filter (where alone) as alone, min(s.leased_until) filter (where alone) as since
    from public.signal_shares s
    cross join lateral (
      select s.machine_id is null or s.leased_until < now() - interval '15 seconds' as alone
    ) held
    where exists (select from public.traders t where t.status = 'active' and t.market = s.market)
      and exists (
        select from public.signal_share_machines m join public.cloud_machines c on c.machine_id = m.machine_id
        where m.venue = s.venue and m.market = s.market and 'signals' = any (c.roles) and c.status <> 'stopped')
    group by s.venue, s.market
  ) m;
$$;

create function private.check_positions() returns jsonb
language sql stable
set search_path = ''
as $$
  select private.check_result(
    'positions', count(*) = 0, coalesce(jsonb_agg(to_jsonb(p)), '[]'),
    'these open positions have no confirmed protection: look at the bridge that holds their account'
  )
  from private.positions_left_unprotected() p;
$$;

create function private.check_orders() returns jsonb
language sql stable
set search_path = ''
as $$
  select private.check_result(
    'orders', count(*) = 0, coalesce(jsonb_agg(jsonb_build_object('account_id', o.account_id, 'signal_id', o.signal_id,
      'client_order_id', o.client_order_id, 'leg', o.leg, 'sent_at', o.sent_at)), '[]'),
    'nobody knows what became of these orders: look for them at the venue; until then their accounts enter nothing'
  )
  from public.orders o
  where o.is_live and o.status = 'unresolved';
$$;

-- What the bridges told of the venues with their last heartbeats.
create function private.check_venues() returns jsonb
language sql stable
set search_path = ''
as $$
  select private.check_result(
    'venues', coalesce(bool_and(v.breaker is not distinct from 'closed' and v.sound is not distinct from 'true'), true),
    -- All of them, what is wrong first: where is traded, and how that stands, is what one looks here for.
    coalesce(jsonb_agg(jsonb_build_object('machine_id', v.machine_id, 'venue', v.venue, 'breaker', v.breaker,
        'why', v.why, 'clock_sound', v.sound, 'clock_offset_ms', v.offset_ms)
      order by v.breaker is not distinct from 'closed' and v.sound is not distinct from 'true', v.machine_id, v.venue), '[]'),
    'a venue does not answer, or its clock and the machine''s are apart: nothing new is opened there'
  )
  from (
    select m.machine_id, told.key as venue, told.value #>> '{breaker,state}' as breaker, told.value #>> '{breaker,why}' as why,
      told.value #>> '{clock,sound}' as sound, told.value #> '{clock,offset_ms}' as offset_ms
    from public.cloud_machines m, jsonb_each(case jsonb_typeof(m.details -> 'venues') when 'object' then m.details -> 'venues'
      else '{}' end) told
    where m.status <> 'stopped' and m.last_heartbeat_at >= now() - interval '1 minute'
  ) v;
$$;

-- What the bridges told of their accounts with their last heartbeats.
create function private.check_desks() returns jsonb
language sql stable
set search_path = ''
as $$
  select private.check_result(
    'desks', count(*) = 0,
    coalesce(jsonb_agg(jsonb_build_object('machine_id', m.machine_id, 'account_id', told.key,
        'hangs_for_seconds', told.value -> 'hangs_for_seconds', 'journal', told.value ->> 'journal')
        || jsonb_strip_nulls(jsonb_build_object('key', told.value ->> 'key', 'unopened', told.value ->> 'unopened',
          'unusable', told.value ->> 'unusable', 'do', told.value ->> 'do'))
      order by m.machine_id, told.key), '[]'),
    'these accounts hang, or their keys cannot be opened, or their venue refuses the key or cannot be asked at the start, '
    'or what they hold cannot be written to the disk: nothing new is opened there'
  )
  from public.cloud_machines m, jsonb_each(case jsonb_typeof(m.details -> 'desks') when 'object' then m.details -> 'desks'
    else '{}' end) told
  where m.status <> 'stopped' and m.last_heartbeat_at >= now() - interval '1 minute';
$$;

-- Where a venue's ledger and the record are apart, today or yesterday, and two looks have seen it.
create function private.check_ledgers() returns jsonb
language sql stable
set search_path = ''
as $$
  select private.check_result(
    'ledgers', count(*) = 0,
    coalesce(jsonb_agg(jsonb_build_object('account_id', d.account_id, 'day', d.day, 'currency', d.currency,
      'difference', trim_scale(d.difference)::text, 'since', d.since) order by d.day, d.account_id, d.currency), '[]'),
    'what is in these wallets changed by more or less than fills and incomes of the record say: deposits, withdrawals and '
      'trades by hand explain it; else compare the fills of that day with the venue''s'
  )
  from public.account_differences d
  where d.since < d.looked_at and d.day >= private.utc_day(now()) - 1;
$$;

-- What the analysts told of the models that they ask with their last heartbeats, and what that came to today.
create function private.check_analysts() returns jsonb
language sql stable
set search_path = ''
as $$
  select private.check_result(
    'analysts', count(*) filter (where a.told ? 'trouble') = 0,
    private.model_spending_today() || jsonb_build_object('asking', coalesce(
      jsonb_agg(a.told || jsonb_build_object('machine_id', a.machine_id) order by a.told ? 'trouble' desc, a.machine_id), '[]')),
    'these machines cannot ask their model: look at the key, the model, the address and the budget in SIGTRAIL_ANALYST_*'
  )
  from (
    select m.machine_id, m.details -> 'analyst' as told
    from public.cloud_machines m
    where m.status <> 'stopped' and m.last_heartbeat_at >= now() - interval '1 minute'
      and jsonb_typeof(m.details -> 'analyst') = 'object' and m.details -> 'analyst' ? 'model'
  ) a;
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
    private.check_partitions(), private.check_days(), private.check_jobs(), private.check_rollup(),
    private.check_queue(), private.check_machines(), private.check_tokens(), private.check_shares(), private.check_positions(),
    private.check_orders(),
    private.check_venues(), private.check_desks(), private.check_ledgers(), private.check_analysts(),
    private.check_broadcasts(), private.check_transactions(), private.check_orphans(), private.check_seals(),
    private.check_alerts()
  ]) c;
$$;

-- Functions: orphans --------------------------------------------------------------------------------------

-- Reports what belongs to a signal of this day that is not recorded, and forgets what is in order again. How many it
-- found that were not known.
create function private.find_orphans(day date) returns integer
language plpgsql security definer
set search_path = ''
as $$
declare
  least_id uuid := public.signal_id_floor(day::timestamp at time zone 'UTC');
  limit_id uuid := public.signal_id_floor((day + 1)::timestamp at time zone 'UTC');
  found_count integer;
begin
  delete from private.orphans o
  where o.signal_id >= least_id and o.signal_id < limit_id
    and exists (select from public.signals s where s.id = o.signal_id and s.id >= least_id and s.id < limit_id);
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
    select 'queue', i from private.arrivals a, unnest(a.signal_ids) i
    where a.last_id >= least_id and a.first_id < limit_id and i >= least_id and i < limit_id
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

-- One step of the job: the oldest day that is over and was written to since it was looked through.
create function private.find_orphans_step() returns jsonb
language plpgsql
set search_path = ''
as $$
declare
  done jsonb := private.done_so_far();
  due date;
begin
  select d.day into due
  from private.partition_days d
  where d.day < private.utc_day(now() - interval '1 hour')
    and d.last_write_at > coalesce(d.checked_at, '-infinity')
    and not coalesce(done -> 'days' ? d.day::text, false)
  order by d.day
  limit 1;
  if due is null then
    return null;
  end if;
  update private.partition_days d set checked_at = now() where d.day = due;
  return jsonb_build_object('days', jsonb_build_array(due), 'found', private.find_orphans(due));
end;
$$;

select private.enter_job('orphans', '43 3 * * *', 'find_orphans_step', interval '30 hours',
  'looks for what links to signals that are not there');

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
