-- Profit and loss by trader, from closed positions: fees are taken off, amounts are in quote currency.
select t.name as trader, u.email as owner, count(*) as trades,
  count(*) filter (where p.realized_pnl > 0) as wins,
  round(100.0 * count(*) filter (where p.realized_pnl > 0) / count(*), 2) as win_percent,
  trim_scale(sum(p.realized_pnl)) as realized_pnl, trim_scale(sum(p.fees)) as fees,
  round(sum(greatest(p.realized_pnl, 0)) / nullif(sum(greatest(-p.realized_pnl, 0)), 0), 3) as profit_factor,
  round(avg(p.realized_pnl / nullif(abs(p.entry_average - p.initial_stop_loss) * p.entry_amount, 0)), 3) as average_r,
  justify_hours(avg(p.closed_at - p.opened_at)) as average_held
from public.positions p
join public.traders t on t.id = p.trader_id
join public.users u on u.id = p.user_id
where p.status = 'closed'
group by t.id, t.name, u.email
order by realized_pnl desc;
