-- Maintenance: removes what nobody asks for any more. Every step takes a few thousand rows and leaves those alone that
-- somebody works on, so that it never makes anyone wait.

-- Functions: logs -----------------------------------------------------------------------------------------

-- Removes some of the rows of a table for which the condition holds. How many.
create function private.remove_some(source text, condition text, most integer default 5000) returns bigint
language plpgsql
set search_path = ''
as $$
declare
  removed bigint;
begin
  execute format(
    'delete from %s s where s.ctid = any (array(select s.ctid from %s s where %s limit %s for update skip locked)) and %s',
    source, source, condition, most, condition);
  get diagnostics removed = row_count;
  return removed;
end;
$$;

-- The same for a table of another part of the platform, which may be absent, or not ours to prune.
create function private.remove_some_foreign(source text, condition text) returns bigint
language plpgsql
set search_path = ''
as $$
begin
  if to_regclass(source) is null or not has_table_privilege(source, 'delete') then
    return 0;
  end if;
  return private.remove_some(source, condition);
end;
$$;

-- Functions: counts ---------------------------------------------------------------------------------------

-- Puts together what the shards of a day that is over have counted, and removes what comes to zero. Whoever counts in
-- one of these rows right now keeps it, and the next run finds it. How many rows it removed.
create function private.merge_counts(day date, most integer default 2000) returns bigint
language plpgsql
set search_path = ''
set jit = off
as $$
declare
  locked public.signal_counts[];
  removed bigint;
begin
  locked := array(
    select c
    from public.signal_counts c
    join (
      select g.user_id, g.hour, g.status
      from public.signal_counts g
      where g.hour >= day::timestamp at time zone 'UTC' and g.hour < (day + 1)::timestamp at time zone 'UTC'
      group by g.user_id, g.hour, g.status
      having count(*) > 1 or sum(g.count) = 0
      order by g.user_id, g.hour, g.status
      limit most
    ) g on g.user_id = c.user_id and g.hour = c.hour and g.status = c.status
    for update of c skip locked
  );
  -- The rows are ours now: what is read and written below is what was locked.
  update public.signal_counts c set count = s.count
  from (
    select l.user_id, l.hour, l.status, min(l.shard) as shard, sum(l.count) as count
    from unnest(locked) l
    group by l.user_id, l.hour, l.status
    having count(*) > 1
  ) s
  where c.user_id = s.user_id and c.hour = s.hour and c.status = s.status and c.shard = s.shard;
  delete from public.signal_counts c
  using (
    select l.user_id, l.hour, l.status, l.shard,
      min(l.shard) over same as least_shard, sum(l.count) over same as count
    from unnest(locked) l
    window same as (partition by l.user_id, l.hour, l.status)
  ) s
  where c.user_id = s.user_id and c.hour = s.hour and c.status = s.status and c.shard = s.shard
    and (s.shard <> s.least_shard or s.count = 0);
  get diagnostics removed = row_count;
  return removed;
end;
$$;

-- Merges the counts of the oldest day that was written to since they were merged. How many rows it removed, zero when
-- that day is done; null when no day was due.
create function private.merge_oldest_counts() returns bigint
language plpgsql
set search_path = ''
as $$
declare
  due date;
  removed bigint;
begin
  select d.day into due
  from private.partition_days d
  where d.day < private.utc_day(now() - interval '3 hours')
    and d.last_write_at > coalesce(d.counts_merged_at, '-infinity')
  order by d.day
  limit 1
  for update skip locked;
  if not found then
    return null;
  end if;
  removed := private.merge_counts(due);
  if removed = 0 then
    update private.partition_days d set counts_merged_at = now() where d.day = due;
  end if;
  return removed;
end;
$$;

-- Functions: summaries ------------------------------------------------------------------------------------

-- Drops the summaries of one length of the oldest day that is past keeping them, and remembers that: what is written to
-- that day later changes the coarser ones only. How many rows it removed; null when no day was due.
create function private.drop_summaries() returns bigint
language plpgsql
set search_path = ''
as $$
declare
  due record;
  removed bigint;
begin
  select d.day, p.period_type, p.mark into due
  from private.partition_days d
  cross join private.retention r
  cross join lateral (values
    ('minute', 'minutes_pruned_at', d.minutes_pruned_at, r.minutes_kept),
    ('hour', 'hours_pruned_at', d.hours_pruned_at, r.hours_kept),
    ('day', 'days_pruned_at', d.days_pruned_at, r.days_kept)
  ) p (period_type, mark, pruned_at, kept)
  where p.pruned_at is null and d.last_write_at is not null and private.day_age(d.day) >= p.kept
  order by d.day
  limit 1
  for update of d skip locked;
  if not found then
    return null;
  end if;
  delete from public.signal_metrics_summary m
  where m.period_type = due.period_type
    and m.period_start >= due.day::timestamp at time zone 'UTC'
    and m.period_start < (due.day + 1)::timestamp at time zone 'UTC';
  get diagnostics removed = row_count;
  execute format('update private.partition_days d set %I = now() where d.day = $1', due.mark) using due.day;
  return removed;
end;
$$;

-- Functions: the step -------------------------------------------------------------------------------------

-- Some of everything that is past its time.
create function private.prune_step() returns jsonb
language plpgsql
set search_path = ''
as $$
declare
  kept private.retention := (select r from private.retention r);
  did jsonb;
  -- Null when nothing was due; a day with nothing to remove is done too, and the next one comes in the next step.
  summaries bigint := private.drop_summaries();
  counts bigint := private.merge_oldest_counts();
begin
  select jsonb_object_agg(p.what, p.rows) filter (where p.rows > 0) into did
  from (values
    ('ingest_requests', private.remove_some('private.ingest_requests', 's.created_at < now() - interval ''24 hours''')),
    ('signal_watchers', private.remove_some('public.signal_watchers', 's.watched_until < now() - interval ''1 hour''')),
    ('usage_daily', private.remove_some('public.usage_daily', 's.day < private.utc_day(now()) - 400')),
    ('trader_usage_daily', private.remove_some('public.trader_usage_daily', 's.day < private.utc_day(now()) - 400')),
    ('model_calls', private.remove_some('public.model_calls', 's.asked_at < now() - interval ''8 days''')),
    ('model_spending', private.remove_some('private.model_spending', 's.day < private.utc_day(now()) - 400')),
    ('trader_tallies', private.remove_some('private.trader_tallies', 's.day < private.utc_day(now()) - 400')),
    ('symbol_tallies', private.remove_some('private.symbol_tallies', 's.day < private.utc_day(now()) - 400')),
    ('job_runs', private.remove_some('private.job_runs', format('now() - s.started_at >= %L', kept.runs_kept))),
    -- Realtime drops whole days of its messages itself, after 72 hours. This is for when it does not.
    ('messages', private.remove_some_foreign('realtime.messages',
      format('s.inserted_at < (now() - interval %L) at time zone ''UTC''', kept.messages_kept))),
    -- Nothing else prunes what pg_cron writes about the jobs.
    ('job_run_details', private.remove_some_foreign('cron.job_run_details',
      's.end_time < now() - interval ''72 hours'''))
  ) p (what, rows);
  if did is null and summaries is null and counts is null then
    return null;
  end if;
  return coalesce(did, '{}') || jsonb_strip_nulls(jsonb_build_object('summaries', summaries, 'signal_counts', counts));
end;
$$;

select private.enter_job('prune', '23 * * * *', 'prune_step', interval '3 hours',
  'removes what nobody asks for any more');
