select p.id, p.opened_at, p.closed_at, p.symbol, t.name as trader, p.side, p.status, trim_scale(p.amount) as amount,
       trim_scale(p.entry_amount) as entry_amount, trim_scale(p.entry_average) as entry_average,
       trim_scale(p.exit_average) as exit_average, trim_scale(p.stop_loss) as stop_loss,
       trim_scale(p.take_profit) as take_profit, p.exit_reason, p.close_state,
       trim_scale(p.entry_slippage + p.exit_slippage) as slippage, p.closes_at, trim_scale(p.fees) as fees,
       trim_scale(p.realized_pnl) as realized_pnl, p.signal_id,
       case when p.status <> 'closed'
         then not exists (select from private.unprotected_positions() u where u.position_id = p.id) end as protected
from public.positions p
left join public.traders t on t.id = p.trader_id
where (%(status)s::text is null or p.status::text = %(status)s)
  and (%(trader)s::text is null or t.name = %(trader)s or t.id::text = %(trader)s)
  and (%(symbol)s::text is null or p.symbol = %(symbol)s)
order by p.opened_at desc, p.id
limit %(limit)s
