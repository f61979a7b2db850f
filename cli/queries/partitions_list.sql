-- Each day with its tier and how far it has come. Row counts are the planner's; bytes are those of all three tables.
select
  d.day, private.day_tier(d.day) as tier, d.last_write_at,
  (
    select greatest(c.reltuples, 0)::bigint from pg_class c
    where c.oid = to_regclass('partitions.' || private.partition_name('signals', d.day))
  ) as signals,
  (
    select sum(pg_total_relation_size(c.oid))::bigint from pg_class c
    join unnest(private.tables_of_day(d.day)) t on c.oid = to_regclass(t)
  ) as bytes,
  (
    select max(f.verified_at) from public.archive_files f where f.partition_day = d.day
  ) as archived_at,
  d.compacted_at
from private.partition_days d
order by d.day
