-- Jobs: what the database does by itself, by pg_cron with five fields (its older versions know no seconds). A job goes
-- in steps, each a short transaction that stays done whatever comes after it; it runs once at a time, starts where the
-- last run stopped, however long ago that was, and leaves a report of each run.

-- Tables --------------------------------------------------------------------------------------------------

create table private.jobs (
  job text primary key,
  schedule text not null,
  -- A function in this schema that does one step and says what it did, null when nothing was left to do. What the run
  -- has done so far it learns from private.done_so_far().
  step text not null,
  -- Without a run that went well for so long, the job is late.
  late_after interval not null,
  purpose text not null,
  created_at timestamptz not null default now()
);
alter table private.jobs enable row level security;

create table private.job_runs (
  id bigint generated always as identity primary key,
  job text not null references private.jobs (job) on delete cascade,
  started_at timestamptz not null default clock_timestamp(),
  finished_at timestamptz,
  -- Null while it runs.
  ok boolean,
  steps integer not null default 0,
  did jsonb not null default '{}',
  error text,
  constraint "a run that ended went well or did not" check ((finished_at is null) = (ok is null)),
  constraint "a run that failed says why" check ((ok is false) = (error is not null))
) with (fillfactor = 70);
create index job_runs_job_id_idx on private.job_runs (job, id desc);
alter table private.job_runs enable row level security;

-- Functions: running --------------------------------------------------------------------------------------

-- What two steps did together: numbers add up, lists grow, anything else is replaced.
create function private.add_counts(done jsonb, step jsonb) returns jsonb
language sql immutable
set search_path = ''
as $$
  select done || coalesce(jsonb_object_agg(s.key, case
    when jsonb_typeof(s.value) = 'number' and jsonb_typeof(done -> s.key) = 'number'
      then to_jsonb((done ->> s.key)::numeric + (s.value #>> '{}')::numeric)
    when jsonb_typeof(s.value) = 'array' and jsonb_typeof(done -> s.key) = 'array' then (done -> s.key) || s.value
    else s.value
  end), '{}')
  from jsonb_each(step) s;
$$;

-- What the run that calls this has done so far.
create function private.done_so_far() returns jsonb
language sql stable
set search_path = ''
as $$
  select coalesce(nullif(current_setting('sigtrail.done_so_far', true), ''), '{}')::jsonb;
$$;

-- The advisory lock of a job: of a session, so that it outlives the steps' transactions.
create function private.job_lock(job text) returns bigint
language sql immutable
set search_path = ''
as $$
  select 7342735::bigint << 32 | (hashtext(job)::bigint & 4294967295);
$$;

-- Begins a run and answers its id; null when one is on its way. What an earlier run left open has ended unheard: it
-- held the lock.
create function private.begin_job(job text) returns bigint
language plpgsql
set search_path = ''
as $$
declare
  run bigint;
begin
  if not pg_try_advisory_lock(private.job_lock(job)) then
    return null;
  end if;
  update private.job_runs r set
    ok = false, finished_at = clock_timestamp(),
    error = 'it ended without a report: it was canceled, took longer than statement_timeout, or the server stopped'
  where r.job = begin_job.job and r.finished_at is null;
  insert into private.job_runs (job) values (begin_job.job) returning id into run;
  return run;
end;
$$;

-- Does one step of a run and writes down what it did. False when the run is over: nothing was left, the step failed, or
-- the run has taken its time and leaves the rest to the next one.
create function private.continue_job(run bigint) returns boolean
language plpgsql
set search_path = ''
as $$
declare
  -- With the rest after it and a long last step a run still ends within two minutes, where many servers end a statement.
  most constant interval := interval '80 seconds';
  report private.job_runs;
  step text;
  done jsonb;
  problem text;
  place text;
  over boolean := false;
begin
  select * into report from private.job_runs r where r.id = run;
  select j.step into step from private.jobs j where j.job = report.job;
  begin
    perform set_config('sigtrail.done_so_far', report.did::text, true);
    execute format('select private.%I()', step) into done;
    over := done is null or clock_timestamp() - report.started_at > most;
  exception
    when others then
      get stacked diagnostics problem = message_text, place = pg_exception_context;
      problem := format('%s (%s), in step %s: %s', problem, sqlstate, report.steps + 1, split_part(place, E'\n', 1));
  end;
  update private.job_runs r set
    steps = r.steps + (done is not null)::integer,
    did = private.add_counts(r.did, coalesce(done, '{}')),
    error = problem,
    ok = case when problem is not null then false when over then true end,
    finished_at = case when problem is not null or over then clock_timestamp() end
  where r.id = run;
  return problem is null and not over;
end;
$$;

create function private.end_job(job text) returns void
language plpgsql
set search_path = ''
as $$
begin
  perform pg_advisory_unlock(private.job_lock(job));
end;
$$;

-- Runs a job to its end in one transaction, for an operator who does not want to wait for its time. Its report; null
-- when it is on its way already.
create function private.run_job(job text) returns jsonb
language plpgsql
set search_path = ''
as $$
declare
  run bigint;
begin
  if not exists (select from private.jobs j where j.job = run_job.job) then
    raise exception 'there is no job %', job
      using errcode = 'invalid_parameter_value', hint = 'select job, purpose from private.jobs';
  end if;
  run := private.begin_job(job);
  if run is null then
    return null;
  end if;
  while private.continue_job(run) loop
    null;
  end loop;
  perform private.end_job(job);
  return (select to_jsonb(r) from private.job_runs r where r.id = run);
end;
$$;

-- What pg_cron is told. A block and not a function, since only a block can commit between the steps. After a step a job
-- rests four times as long as that took, at most ten seconds: what comes in goes first, also when it takes all that the
-- server has, and what waits for the job waits a little longer.
create function private.job_command(job text) returns text
language sql immutable
set search_path = ''
as $body$
  select format($command$do $job$
declare
  run bigint := private.begin_job(%1$L);
  began timestamptz;
begin
  while run is not null loop
    commit;
    began := clock_timestamp();
    exit when not private.continue_job(run);
    commit;
    perform pg_sleep(least(4 * extract(epoch from clock_timestamp() - began), 10));
  end loop;
  if run is not null then
    commit;
    perform private.end_job(%1$L);
  end if;
end;
$job$$command$, job);
$body$;

-- Enters a job, and schedules it where pg_cron is. It lives in one database of a cluster: in another one, as tests make
-- them, nothing is scheduled, and the doctor says so.
create function private.enter_job(job text, schedule text, step text, late_after interval, purpose text) returns void
language plpgsql
set search_path = ''
as $$
begin
  insert into private.jobs (job, schedule, step, late_after, purpose)
  values (enter_job.job, enter_job.schedule, enter_job.step, enter_job.late_after, enter_job.purpose);
  if to_regclass('cron.job') is not null then
    execute 'select cron.schedule($1, $2, $3)' using 'sigtrail ' || job, schedule, private.job_command(job);
  end if;
end;
$$;

-- Functions: steps of what other files are about ----------------------------------------------------------

-- What a step says that did something so many times: null for never.
create function private.did(what text, times bigint) returns jsonb
language sql immutable
set search_path = ''
as $$
  select case when times > 0 then jsonb_build_object(what, times) end;
$$;

create function private.open_days_step() returns jsonb
language plpgsql
set search_path = ''
as $$
begin
  return private.did('opened', private.ensure_partitions());
end;
$$;

create function private.return_leases_step() returns jsonb
language plpgsql
set search_path = ''
as $$
begin
  return private.did('returned', private.return_expired_leases());
end;
$$;

create function private.flush_broadcasts_step() returns jsonb
language plpgsql
set search_path = ''
as $$
begin
  return private.did('sent', private.flush_broadcasts());
end;
$$;

-- Schedules -----------------------------------------------------------------------------------------------

do $$
begin
  if current_database() = coalesce(current_setting('cron.database_name', true), 'postgres') then
    create extension if not exists pg_cron;
  end if;
end;
$$;

select private.enter_job(job, schedule, step, late_after, purpose)
from (values
  ('partitions', '7 * * * *', 'open_days_step', interval '3 hours', 'opens the days ahead'),
  ('leases', '* * * * *', 'return_leases_step', interval '5 minutes', 'takes back work that was not finished in time'),
  ('rollup', '* * * * *', 'roll_up_step', interval '5 minutes', 'keeps summaries, traders'' counters and last writes'),
  ('broadcasts', '* * * * *', 'flush_broadcasts_step', interval '5 minutes', 'sends what the throttle held back')
) j (job, schedule, step, late_after, purpose);
