-- Profit and loss by symbol and side, from closed positions: fees are taken off, amounts are in quote currency.
select p.symbol, p.side, count(*) as trades,
  round(100.0 * count(*) filter (where p.realized_pnl > 0) / count(*), 2) as win_percent,
  trim_scale(sum(p.realized_pnl)) as realized_pnl, trim_scale(sum(p.fees)) as fees,
  trim_scale(sum(p.entry_average * p.entry_amount)) as volume,
  round(10000 * sum(p.realized_pnl) / nullif(sum(p.entry_average * p.entry_amount), 0), 2) as basis_points
from public.positions p
where p.status = 'closed'
group by p.symbol, p.side
order by realized_pnl desc;
