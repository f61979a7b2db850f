with held as (
  select s.*, case when s.leased_until >= now() then s.machine_id end as holder
  from public.signal_shares s
  where exists (select from public.signal_shares o where o.venue = s.venue and o.market = s.market and o.fence > 0)
), runs as (
  select h.venue, h.market, h.holder, min(h.share) as first, max(h.share) as last
  from (select h.*, h.share - row_number() over (partition by h.venue, h.market, h.holder order by h.share) as run
        from held h) h
  group by h.venue, h.market, h.holder, h.run
)
select h.venue, h.market, h.holder as machine_id, count(*)::int as count,
       (select string_agg(case when r.first = r.last then r.first::text else r.first || '-' || r.last end, ' '
          order by r.first) from runs r
        where r.venue = h.venue and r.market = h.market and r.holder is not distinct from h.holder) as shares,
       max(h.taken_at) as taken_at, min(h.leased_until) as leased_until,
       to_timestamp(min(h.evaluated_to) / 1000.0) as evaluated_to
from held h
group by h.venue, h.market, h.holder
order by h.venue, h.market, h.holder nulls first
