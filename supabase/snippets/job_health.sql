-- Job health: when each job last ran, how that went, and how it did in the last day.
select j.job, j.purpose, j.schedule, last.started_at, last.ok,
  round(extract(epoch from last.finished_at - last.started_at), 3) as seconds, last.did, last.error,
  day.runs, day.failures, round(day.longest, 3) as longest_seconds,
  case
    when good.finished_at is null and now() - j.created_at > j.late_after then 'never ran well'
    when now() - good.finished_at > j.late_after then 'late'
    when last.ok is false then 'failed'
    else 'well'
  end as state
from private.jobs j
left join lateral (
  select r.* from private.job_runs r where r.job = j.job order by r.id desc limit 1
) last on true
left join lateral (
  select max(r.finished_at) as finished_at from private.job_runs r where r.job = j.job and r.ok
) good on true
cross join lateral (
  select count(*) as runs, count(*) filter (where r.ok is false) as failures,
    extract(epoch from max(r.finished_at - r.started_at)) as longest
  from private.job_runs r
  where r.job = j.job and r.started_at > now() - interval '24 hours'
) day
order by (last.ok is true), j.job;
