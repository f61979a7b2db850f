-- What nobody asks for any more goes, and nothing else does.
begin;
\ir stage.psql
select plan(19);

create function pg_temp.day(ago integer) returns date language sql as $$ select (now() at time zone 'UTC')::date - ago $$;

-- Counts.
select private.open_partition('2019-03-31') \g /dev/null
update private.partition_days set last_write_at = now() where day = '2019-03-31';
insert into public.signal_counts (user_id, hour, status, shard, count) values
  (pg_temp.eli(), '2019-03-31 00:00Z', 'new', 1, 5), (pg_temp.eli(), '2019-03-31 00:00Z', 'new', 2, -3),
  (pg_temp.eli(), '2019-03-31 00:00Z', 'new', 3, 1),
  (pg_temp.eli(), '2019-03-31 23:00Z', 'analyzing', 1, 4), (pg_temp.eli(), '2019-03-31 23:00Z', 'analyzing', 2, -4),
  (pg_temp.ann(), '2019-03-31 23:00Z', 'analyzing', 1, 0), (pg_temp.ann(), '2019-03-31 23:00Z', 'closed', 7, 2),
  (pg_temp.ann(), '2019-04-01 00:00Z', 'closed', 1, 0), (pg_temp.ann(), date_trunc('hour', now()), 'new', 1, 0);
create temporary table before as select user_id, hour, status, sum(count) as count from public.signal_counts group by 1, 2, 3;
set local timezone = 'Europe/Berlin';
select is(private.merge_counts('2019-03-31'), 5::bigint, 'the shards of a day are put together, and zeros go');
select is(private.merge_counts('2019-03-31'), 0::bigint, 'once');
select is_empty($$ select * from before b where b.count <> coalesce((select sum(c.count) from public.signal_counts c
    where c.user_id = b.user_id and c.hour = b.hour and c.status = b.status), 0) $$, 'no sum has changed');
select results_eq($$ select status::text, shard::integer, count from public.signal_counts where hour >= '2019-03-31 00:00Z' and hour < '2019-04-01 00:00Z'
    order by 1 $$, $$ values ('closed', 7, 2::bigint), ('new', 1, 3) $$, 'one row a sum is left');
select is((select count(*) from public.signal_counts where count = 0), 2::bigint, 'other days'' rows are theirs');
reset timezone;
select cmp_ok((private.run_job('prune') -> 'steps')::integer, '>=', 1, 'the job merges what is due');
select isnt((select counts_merged_at from private.partition_days where day = '2019-03-31'), null, 'and remembers the day');
select is(private.merge_oldest_counts(), null, 'until somebody writes to it again');

-- Logs.
insert into private.job_runs (job, started_at, finished_at, ok) values
  ('leases', now() - interval '7 days', now() - interval '7 days', true),
  ('leases', now() - interval '6 days 23 hours', now() - interval '6 days 23 hours', true);
insert into cron.job_run_details (jobid, runid, status, start_time, end_time) values
  (1, -1, 'succeeded', now() - interval '73 hours', now() - interval '73 hours'),
  (1, -2, 'succeeded', now() - interval '71 hours', now() - interval '71 hours');
insert into public.usage_daily (user_id, day, shard, signals) values
  (pg_temp.eli(), pg_temp.day(401), 1, 1), (pg_temp.eli(), pg_temp.day(400), 1, 1);
insert into private.ingest_requests (caller, request_id, batch_hash, created_at) values
  ('x', gen_random_uuid(), 1, now() - interval '25 hours'), ('x', gen_random_uuid(), 1, now() - interval '23 hours');
insert into public.signal_watchers (user_id, watched_until) values
  (pg_temp.ann(), now() - interval '2 hours'), (pg_temp.pia(), now() - interval '30 minutes');
select is(private.run_job('prune') -> 'did', '{"job_runs": 1, "job_run_details": 1, "usage_daily": 1, "ingest_requests": 1, "signal_watchers": 1}',
  'each log keeps what is young enough');
select is(private.run_job('prune') -> 'did', '{}', 'nothing is left to do');
select is((select count(*) from private.job_runs where job = 'leases' and started_at < now() - interval '6 days'), 1::bigint, 'the younger run is there');

-- Messages of Realtime: what it should have dropped itself.
select realtime.send('{}', 'test', 'maintenance', true) from generate_series(1, 3) \g /dev/null
select is(private.run_job('prune') -> 'did' -> 'messages', null, 'messages of today stay');
update private.retention set messages_kept = '-1 hour' where only_row;
select cmp_ok((private.run_job('prune') -> 'did' -> 'messages')::integer, '>=', 3, 'messages past their time go');
select is(private.remove_some_foreign('realtime.no_such_table', 'true'), 0::bigint, 'what is not there is not missed');
select is(private.remove_some_foreign('auth.schema_migrations', 'true'), 0::bigint, 'what is not ours is left alone');

-- Orphans.
insert into public.signal_queue (signal_id, stage, available_at) values
  (public.signal_id_floor('2019-03-31 23:59:59.999Z'), 'analysis', now()),
  (public.signal_id_floor('2019-04-01 00:00Z'), 'analysis', now());
update private.partition_days set checked_at = null where day = '2019-03-31';
select is(private.run_job('orphans') -> 'did', '{"days": ["2019-03-31"], "found": 1}', 'the job looks through the days that were written to');
select is((select jsonb_agg(kind) from private.orphans), '["queue"]', 'and names what it found');
select is(private.run_job('orphans') -> 'did', '{}', 'once');
select is((select jsonb_agg(c) from jsonb_array_elements(private.health() -> 'checks') c where c ->> 'name' = 'orphans' and not (c ->> 'ok')::boolean) #>> '{0,found,queue}',
  '1', 'and the doctor tells');

select * from finish();
rollback;
