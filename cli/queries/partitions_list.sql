-- Names end in the day: signals_20250504. Row counts are the planner's.
select to_date(right(c.relname, 8), 'YYYYMMDD') as day, greatest(c.reltuples, 0)::bigint as signals,
       pg_total_relation_size(c.oid) as bytes
from pg_class c
join pg_inherits i on i.inhrelid = c.oid
where i.inhparent = 'public.signals'::regclass
order by day
