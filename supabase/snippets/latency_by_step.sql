-- Latency by step, from the trail: how long signals take from one state to the next, in seconds. market is the domain's
-- time (of a replay: the market's), database the time between the two transactions.
with steps as (
  select e.from_status, e.to_status,
    extract(epoch from e.occurred_at - b.occurred_at) as market,
    extract(epoch from e.created_at - b.created_at) as database
  from public.signal_events e
  join lateral (
    select p.occurred_at, p.created_at
    from public.signal_events p
    where p.signal_id = e.signal_id and p.number < e.number and p.to_status is not null
    order by p.number desc
    limit 1
  ) b on true
  where e.from_status is not null
)
select s.from_status, s.to_status, count(*) as signals,
  round((percentile_cont(0.5) within group (order by s.market))::numeric, 3) as market_p50,
  round((percentile_cont(0.95) within group (order by s.market))::numeric, 3) as market_p95,
  round((percentile_cont(0.5) within group (order by s.database))::numeric, 3) as database_p50,
  round((percentile_cont(0.95) within group (order by s.database))::numeric, 3) as database_p95
from steps s
group by s.from_status, s.to_status
order by s.from_status, s.to_status;
