select s.market, case when s.leased_until >= now() then s.machine_id end as machine_id, count(*)::int as count,
       string_agg(s.share::text, ' ' order by s.share) as shares, max(s.taken_at) as taken_at,
       min(s.leased_until) as leased_until, to_timestamp(min(s.evaluated_to) / 1000.0) as evaluated_to
from public.signal_shares s
where exists (select from public.signal_shares o where o.market = s.market and o.fence > 0)
group by 1, 2
order by 1, 2 nulls first
