-- The parts of archived days. Creation events lie in the rows of their signals, and count as events.
select f.partition_day as day, f.part,
  coalesce(sum(f.row_count) filter (where f.kind = 'signals'), 0)::bigint as signals,
  (coalesce(sum(f.row_count) filter (where f.kind = 'events'), 0) + sum(f.creation_count))::bigint as events,
  coalesce(sum(f.row_count) filter (where f.kind = 'snapshots'), 0)::bigint as snapshots,
  count(*) as files, sum(f.byte_count)::bigint as bytes,
  round(sum(f.byte_count) filter (where f.kind = 'signals')
    / nullif(sum(f.row_count) filter (where f.kind = 'signals'), 0), 1) as bytes_a_signal,
  max(f.verified_at) as verified_at
from public.archive_files f
group by f.partition_day, f.part
order by f.partition_day, f.part
