-- Partition health: every day that holds something or is to come, its tier, size and state, and what is wrong with it.
with tables as (
  select to_date(right(c.relname, 8), 'YYYYMMDD') as day, p.relname as parent, greatest(c.reltuples, 0)::bigint as row_count,
    pg_total_relation_size(c.oid) as bytes
  from pg_catalog.pg_inherits i
  join pg_catalog.pg_class c on c.oid = i.inhrelid
  join pg_catalog.pg_class p on p.oid = i.inhparent
  where i.inhparent in ('public.signals'::regclass, 'public.signal_events'::regclass,
    'public.signal_monitoring_snapshots'::regclass)
)
select d.day, private.day_tier(d.day) as tier,
  coalesce(sum(t.row_count) filter (where t.parent = 'signals'), 0) as signals_estimated,
  coalesce(sum(t.row_count) filter (where t.parent = 'signal_events'), 0) as events_estimated,
  pg_size_pretty(sum(t.bytes)) as size, d.last_write_at, d.warmed_at, d.compacted_at,
  (select max(f.part) from public.archive_files f where f.partition_day = d.day) as archived_parts,
  case
    when count(t.parent) <> 3 then 'tables are missing: see sigtrail doctor'
    when private.day_age(d.day) > (select r.cold_after + interval '2 days' from private.retention r)
      and d.last_write_at is not null
      and not exists (select from public.archive_files f where f.partition_day = d.day)
      then 'cold for more than 2 days and not archived: does a machine run the role archive?'
    else 'well'
  end as state
from private.partition_days d
left join tables t on t.day = d.day
group by d.day, d.last_write_at, d.warmed_at, d.compacted_at
order by d.day desc;
