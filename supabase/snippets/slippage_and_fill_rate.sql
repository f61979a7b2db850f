-- Slippage and fill rate by symbol: what entries cost more than planned (positive is worse, in basis points of the plan's
-- entry), and how much of what was asked for was filled.
select o.symbol, count(*) as entries,
  count(*) filter (where o.status = 'filled') as filled_whole,
  round(100 * sum(o.filled * coalesce(o.average, 0)) / nullif(sum(o.amount * coalesce(o.average, q.entry)), 0), 2)
    as fill_percent,
  round(avg(q.slippage), 2) as average_slippage,
  round((percentile_cont(0.95) within group (order by q.slippage))::numeric, 2) as p95_slippage,
  round(sum(o.filled * (o.average - q.entry) * case o.side when 'buy' then 1 else -1 end), 8) as cost_of_slippage
from public.orders o
join public.signals s on s.id = o.signal_id
cross join lateral (
  select (s.analysis_trade_plan ->> 'entry')::numeric as entry
) plan
cross join lateral (
  select plan.entry, 10000 * (o.average - plan.entry) / plan.entry * case o.side when 'buy' then 1 else -1 end as slippage
) q
where o.leg = 'entry' and o.status not in ('denied', 'rejected')
group by o.symbol
order by entries desc, o.symbol;
