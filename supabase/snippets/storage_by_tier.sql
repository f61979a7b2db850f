-- Storage by tier: what the history takes in Postgres, and what its archive files take, in all and for each signal.
with tables as (
  select to_date(right(c.relname, 8), 'YYYYMMDD') as day, i.inhparent = 'public.signals'::regclass as is_signals,
    greatest(c.reltuples, 0) as row_count, pg_total_relation_size(c.oid) as bytes
  from pg_catalog.pg_inherits i
  join pg_catalog.pg_class c on c.oid = i.inhrelid
  where i.inhparent in ('public.signals'::regclass, 'public.signal_events'::regclass,
    'public.signal_monitoring_snapshots'::regclass)
), tiers as (
  select case when d.compacted_at is not null then 'compacted' else private.day_tier(d.day) end as tier, t.day,
    t.is_signals, t.row_count, t.bytes
  from tables t
  join private.partition_days d on d.day = t.day
  union all
  select 'archive', f.partition_day, f.kind = 'signals', f.row_count, f.byte_count
  from public.archive_files f
)
select tier, count(distinct day) as days, sum(row_count) filter (where is_signals)::bigint as signals_estimated,
  sum(bytes)::bigint as bytes, pg_size_pretty(sum(bytes)) as size,
  round((sum(bytes) / nullif(sum(row_count) filter (where is_signals), 0))::numeric, 1) as bytes_a_signal
from tiers
group by tier
order by array_position(array['hot', 'warm', 'cold', 'compacted', 'archive'], tier);
