-- Profit and loss by source: signals of the browser beside those of the machines.
select s.source, count(*) as trades, count(distinct s.trader_id) as traders,
  round(100.0 * count(*) filter (where p.realized_pnl > 0) / count(*), 2) as win_percent,
  trim_scale(sum(p.realized_pnl)) as realized_pnl, round(avg(p.realized_pnl), 8) as average_pnl,
  trim_scale(sum(p.fees)) as fees
from public.positions p
join public.signals s on s.id = p.signal_id
where p.status = 'closed'
group by s.source
order by realized_pnl desc;
